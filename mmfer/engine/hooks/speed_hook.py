from __future__ import annotations

import os
import time
from collections import deque

import torch
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner

from mmfer.registry import HOOKS


def process_memory() -> int | None:
    """MB (2**20 bytes) of physical memory of this process, without its workers; None where there is no /proc."""
    try:
        with open('/proc/self/statm') as file:
            return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE') >> 20
    except OSError:
        return None


@HOOKS.register_module()
class SpeedHook(Hook):
    """Adds ``images_per_s`` and, without a GPU, ``memory`` to the log lines of a training.

    ``images_per_s`` counts the images of all processes over the wall time of the last iterations, loading included,
    validation and checkpoints at the ends of epochs not. ``memory`` is the MB that this process holds in RAM; on a GPU
    MMEngine itself logs the MB of GPU memory under this name.

    Neither value is kept in checkpoints: after a resume both are measured anew.

    Args:
        warmup (int): Iterations after a start or resume that are not measured: the first ones are slow, since workers
            start and kernels are chosen or compiled.
        window (int): Number of iterations over which the speed is averaged.
    """

    priority = 'NORMAL'  # before LoggerHook

    def __init__(self, warmup: int = 5, window: int = 50) -> None:
        if warmup < 0:
            raise ValueError(f'warmup={warmup}: expected 0 or more')
        if window < 1:
            raise ValueError(f'window={window}: expected 1 or more')
        self.warmup = warmup
        self._measured: deque = deque(maxlen=window)  # of (images, seconds)
        self._left = warmup
        self._last = 0.0

    def before_train(self, runner: Runner) -> None:
        """Forget what an earlier training measured."""
        self._measured.clear()
        self._left = self.warmup

    def before_train_epoch(self, runner: Runner) -> None:
        """Leave out what happened between the epochs."""
        self._last = time.perf_counter()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Measure this iteration and publish the averages."""
        now = time.perf_counter()
        images, seconds = _num_images(data_batch), now - self._last
        self._last = now
        if not torch.cuda.is_available():
            memory = process_memory()
            if memory is not None:
                _publish(runner, 'memory', memory)
        if self._left > 0:
            self._left -= 1
        elif images:
            self._measured.append((images, seconds))
            images, seconds = map(sum, zip(*self._measured))
            speed = get_world_size() * images / max(seconds, 1e-9)
            _publish(runner, 'images_per_s', round(speed) if speed >= 100 else round(speed, 1))


def _publish(runner: Runner, name: str, value: float) -> None:
    # The newest value alone: a history would be saved with the checkpoints.
    runner.message_hub.log_scalars[f'train/{name}'] = HistoryBuffer([value], [1])


def _num_images(data_batch: object) -> int:
    inputs = data_batch.get('inputs') if isinstance(data_batch, dict) else data_batch
    samples = data_batch.get('data_samples') if isinstance(data_batch, dict) else None
    if samples:  # one an image; for views of each image maybe a list of these for each view
        inputs = samples[0] if isinstance(samples[0], (list, tuple)) else samples
    elif isinstance(inputs, dict):  # several views of each image
        inputs = next(iter(inputs.values()), None)
    return len(inputs) if hasattr(inputs, '__len__') else 0
