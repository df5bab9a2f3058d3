"""What a device can do at most: the measure that the speed of a model is a fraction of."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch.nn import functional as F

DTYPES = dict(fp32=torch.float32, tf32=torch.float32, bf16=torch.bfloat16, fp16=torch.float16)
# side of the square matrices; batch, channels and side of the maps of the convolution; calls that are timed together
SIZES = dict(cuda=(8192, (64, 256, 56), 10), cpu=(2048, (16, 128, 56), 1))


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


def synchronize(device: torch.device) -> None:
    """Wait until ``device`` has done all that it was given."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def machine_peak(
    precision: str,
    device: torch.device,
    repeats: int = 8,
    sizes: tuple | None = None,
    kernels: Sequence[str] = ('matmul', 'conv'),
) -> dict[str, float]:
    """Operations a second (2 a multiply-add) of the two kernels that networks spend their time in, best of several.

    Args:
        precision: ``'fp32'``, ``'tf32'``, ``'bf16'`` or ``'fp16'``.
        device: Where to measure.
        repeats: Measurements of each kernel, of which the best counts.
        sizes: Side of the matrices, (batch, channels, side) of the convolution, calls a measurement; by device.
        kernels: Which to measure.

    Returns:
        ``matmul``: product of two square matrices; ``conv``: 3x3 convolution in channels-last, channels kept.
    """
    side, (batch, channels, width), calls = sizes or SIZES['cuda' if device.type == 'cuda' else 'cpu']
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
        synchronize(device)
        start = time.perf_counter()
        for _ in range(calls):
            run()
        synchronize(device)
        best = min(best, (time.perf_counter() - start) / calls)
    return best
