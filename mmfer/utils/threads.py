"""How many threads the libraries below use."""

from __future__ import annotations

import os
import sys

import cv2

_MOST = 4  # networks as small as those for faces gain nothing from more


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def sensible_threads() -> int:
    """Threads that finding and classifying faces gain from here."""
    return min(usable_cores(), _MOST)


def limit_threads(threads: int | None) -> None:
    """Let OpenCV, and PyTorch where it is in use, take so many threads in this process; None leaves them as they are.

    Raises:
        ValueError: If it is no whole number from 1 on.
    """
    if threads is None:
        return
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise ValueError(f'threads={threads!r}: a whole number from 1 on')
    cv2.setNumThreads(threads)
    if sys.modules.get('torch') is not None:
        sys.modules['torch'].set_num_threads(threads)
