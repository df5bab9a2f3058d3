"""How fast an exported file is, beside the model that it was made of."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config

from mmfer.inference.classifiers import TorchClassifier
from mmfer.structures.run_record import machine, versions
from mmfer.utils.progress import track
from mmfer.utils.tables import render_table

from .onnx_classifier import OnnxClassifier


def compare_speed(
    path: str | Path,
    config: str | Path | Config,
    checkpoint: str | Path,
    batches: Sequence[int] = (1, 16),
    rounds: int = 7,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:
    """Time an ONNX file and the plain PyTorch model on the CPU, with the same images and as many threads, taking turns.

    Each goes from uint8 images in memory to the predictions as NumPy arrays, so the normalisation counts. The first
    call of each turn does not count: meanwhile threads of the other, which go on spinning for a while, come to rest.

    Args:
        path: The ONNX file.
        config: Config file or object of the model.
        checkpoint: What the file was made of.
        batches: Sizes of the batch.
        rounds: Turns of each.
        clock: Gives seconds.

    Returns:
        Dict of plain values: ``rows``, one a batch size, with ``batch``, ``pytorch`` and ``onnx`` (median, best, worst
        in ms a batch) and ``ratio`` (median over the rounds of PyTorch's time to that of ONNX; above 1 ONNX is faster);
        the machine and the versions.

    Raises:
        ValueError: If an argument is out of range.
    """
    if rounds < 1 or not batches or min(batches) < 1:
        raise ValueError(f'rounds={rounds} and batches={tuple(batches)}: numbers from 1 on')
    onnx = OnnxClassifier(path, threads=torch.get_num_threads())
    classifiers = dict(pytorch=TorchClassifier(config, checkpoint, 'cpu'), onnx=onnx)
    rng = np.random.default_rng(0)
    inputs = {size: rng.integers(0, 256, (size, 3, *onnx.size), dtype=np.uint8) for size in batches}
    times: dict[tuple, list[float]] = {(size, name): [] for size in batches for name in classifiers}
    turns = [size for size in batches for _ in range(rounds)]
    for size in track(turns, len(turns), 'Timing'):
        for name, classifier in classifiers.items():
            classifier(inputs[size])
            start = clock()
            classifier(inputs[size])
            times[size, name].append(1e3 * (clock() - start))
    rows = []
    for size in batches:
        pairs = zip(times[size, 'pytorch'], times[size, 'onnx'])
        figures = {
            name: dict(median=statistics.median(ms), best=min(ms), worst=max(ms))
            for name, ms in ((name, times[size, name]) for name in classifiers)
        }
        rows.append(dict(batch=size, **figures, ratio=statistics.median(a / b for a, b in pairs)))
    import onnxruntime

    return dict(
        path=str(path),
        rounds=rounds,
        machine=machine(),
        versions=dict(versions(), onnxruntime=onnxruntime.__version__),
        rows=rows,
    )


def speed_report(result: Mapping[str, Any]) -> str:
    """The result of :func:`compare_speed` as text for people."""
    host = result['machine']
    rows = [
        (row['batch'], *(f'{row[name]["median"]:.1f}' for name in ('pytorch', 'onnx')), f'{row["ratio"]:.2f}')
        for row in result['rows']
    ]
    title = f'median of {result["rounds"]} rounds in turn, {host["threads"]} thread(s) of {host["cpus"]} CPU(s)'
    header = ('batch', 'PyTorch, ms', 'onnxruntime, ms', 'times as fast')
    found = ', '.join(f'{name} {result["versions"][name]}' for name in ('torch', 'onnxruntime'))
    return f'{render_table(header, rows, title=title)}\n{host["device"]}, {found}'
