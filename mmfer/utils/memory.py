"""Memory that a program frees and soon needs again."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # of glibc's mallopt
_PAD = 64 * 2**20  # bytes by which the heap grows at least


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, where the C library is glibc; whether it does.

    A training step allocates the maps of all layers and frees them again. By default glibc gives blocks above 32 MB
    back to the system at once, which clears them page by page when they are asked for the next time: half a million
    pages and a tenth of the time in a step of POSTER-Var at batch 16 on a CPU. Kept, the memory stays resident until
    the process ends; its peak is about the same.
    """
    if not sys.platform.startswith('linux'):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # musl has none
        return False
    # no trimming at all, no blocks beside the heap
    return all([mallopt(_TRIM_THRESHOLD, -1), mallopt(_TOP_PAD, _PAD), mallopt(_MMAP_MAX, 0)])
