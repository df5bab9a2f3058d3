"""What a machine can do at most, the memory that a model takes on it, and its settings while something is measured."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

DTYPES = dict(fp32=torch.float32, tf32=torch.float32, bf16=torch.bfloat16, fp16=torch.float16)
# side of the square matrices; batch, channels and side of the maps of the convolution; calls that are timed together
SIZES = dict(cuda=(8192, (64, 256, 56), 10), cpu=(2048, (16, 128, 56), 1))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """NumPy's and PyTorch's random numbers from ``seed``; those of the caller go on at the end."""
    state = np.random.get_state()
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            np.random.seed(seed)
            yield
    finally:
        np.random.set_state(state)


@contextmanager
def fp32_arithmetic(tf32: bool, cudnn_benchmark: bool = False) -> Iterator[None]:
    """Whether float32 products and convolutions on a GPU are rounded to TF32, and whether cuDNN tries its kernels.

    PyTorch's own default is mixed: TF32 in convolutions and not in matrix products.
    """
    cudnn = torch.backends.cudnn
    old = torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.benchmark
    try:
        torch.set_float32_matmul_precision('high' if tf32 else 'highest')
        cudnn.allow_tf32, cudnn.benchmark = tf32, cudnn_benchmark
        yield
    finally:
        torch.set_float32_matmul_precision(old[0])
        cudnn.allow_tf32, cudnn.benchmark = old[1:]


def now(device: torch.device) -> float:
    """Seconds, once ``device`` has done all that it was given."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
    return time.perf_counter()


def machine_peak(
    precision: str, device: torch.device, repeats: int = 8, kernels: Sequence[str] = ('matmul', 'conv')
) -> dict[str, float]:
    """Operations a second (2 a multiply-add) of the two kernels that networks spend their time in, best of several.

    Args:
        precision: ``'fp32'``, ``'tf32'``, ``'bf16'`` or ``'fp16'``.
        device: Where to measure.
        repeats: Measurements of each kernel, of which the best counts.
        kernels: Which to measure.

    Returns:
        ``matmul``: product of two square matrices; ``conv``: 3x3 convolution in channels-last, channels kept.
    """
    side, (batch, channels, width), calls = SIZES['cuda' if device.type == 'cuda' else 'cpu']
    options = dict(device=device, dtype=DTYPES[precision])
    found = {}
    with fp32_arithmetic(precision == 'tf32', cudnn_benchmark=True), torch.no_grad():
        if 'matmul' in kernels:
            matrix = torch.randn(side, side, **options)
            found['matmul'] = 2 * side**3 / _best_seconds(lambda: matrix @ matrix.T, device, repeats, calls)
        if 'conv' in kernels:
            x = torch.randn(batch, channels, width, width, **options).contiguous(memory_format=torch.channels_last)
            weight = torch.randn(channels, channels, 3, 3, **options).contiguous(memory_format=torch.channels_last)
            operations = 2 * 9 * batch * channels**2 * width**2
            best = _best_seconds(lambda: F.conv2d(x, weight, padding=1), device, repeats, calls)
            found['conv'] = operations / best
    return found


def _best_seconds(run: Callable, device: torch.device, repeats: int, calls: int) -> float:
    run()
    best = float('inf')
    for _ in range(repeats):
        start = now(device)
        for _ in range(calls):
            run()
        best = min(best, (now(device) - start) / calls)
    return best


class PeakMemory:
    """What the highest use of memory exceeds that of now by.

    On a GPU that is the memory of tensors, on a CPU the memory that this process has resident (Linux only), in which
    everything counts that is not returned to the system.

    Args:
        device: Where the model will run.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.type == 'cuda':
            self._before = torch.cuda.memory_allocated(device)
            return
        gc.collect()
        with suppress(AttributeError, OSError):  # another C library than glibc
            ctypes.CDLL(None).malloc_trim(0)  # what was freed before belongs to nobody
        self._before = _status('VmRSS') if device.type == 'cpu' else None
        self.restart()

    def restart(self) -> None:
        """Forget higher use until now."""
        if self.device.type == 'cuda':
            torch.cuda.reset_peak_memory_stats(self.device)
            return
        try:
            Path('/proc/self/clear_refs').write_text('5', encoding='utf-8')
        except OSError:
            self._before = None

    def mb(self) -> float | None:
        """The most MB since :meth:`restart`, less those at the beginning; None where the system does not tell."""
        if self._before is None:
            return None
        if self.device.type == 'cuda':
            return (torch.cuda.max_memory_allocated(self.device) - self._before) / 2**20
        return (_status('VmHWM') - self._before) / 2**10


def _status(name: str) -> int | None:
    """KiB of an entry of this process's status."""
    try:
        lines = Path('/proc/self/status').read_text(encoding='utf-8').splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(f'{name}:')), None)
