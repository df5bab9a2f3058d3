"""The most memory that a model takes while it runs."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress
from pathlib import Path

import torch

_STATUS, _RESET = Path('/proc/self/status'), Path('/proc/self/clear_refs')


class PeakMemory:
    """What the highest use of memory exceeds that of now by.

    On a GPU that is the memory of tensors, on a CPU the memory that this process has resident (Linux only), in which
    everything counts that is not returned to the system.

    Args:
        device: Where the model will run.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._before = self._now()

    def restart(self) -> None:
        """Forget higher use until now."""
        if self.device.type == 'cuda':
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            _write(_RESET, '5')

    def mb(self) -> float | None:
        """The most MB since :meth:`restart`, less those at the beginning; None where nobody tells."""
        if self._before is None:
            return None
        if self.device.type == 'cuda':
            return (torch.cuda.max_memory_allocated(self.device) - self._before) / 2**20
        highest = _status('VmHWM')
        return None if highest is None else (highest - self._before) / 2**10

    def _now(self) -> int | None:
        if self.device.type == 'cuda':
            return torch.cuda.memory_allocated(self.device)
        if self.device.type != 'cpu' or not _write(_RESET, '5'):
            return None
        gc.collect()
        with suppress(AttributeError, OSError):  # another C library than glibc
            ctypes.CDLL(None).malloc_trim(0)  # what was freed before belongs to nobody
        return _status('VmRSS')


def _status(name: str) -> int | None:
    """KiB of an entry of this process's status."""
    try:
        lines = _STATUS.read_text(encoding='utf-8').splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(f'{name}:')), None)


def _write(path: Path, text: str) -> bool:
    try:
        path.write_text(text, encoding='utf-8')
    except OSError:
        return False
    return True
