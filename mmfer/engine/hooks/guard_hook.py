"""Stopping runs that cannot succeed."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_gather_object, all_reduce
from mmengine.hooks import EarlyStoppingHook, Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, Runner
from mmpretrain.models import AverageClsScoreTTA
from torch.utils.data import DataLoader

from mmfer.evaluation import DistributionMetric, PredictionDump, SelectiveMetric
from mmfer.registry import HOOKS
from mmfer.utils.checkpoint import list_checkpoints
from mmfer.utils.errors import TrainingError

LIMIT = 10  # file names shown


def batch_names(data_batch: Any) -> list[str]:
    """What the samples of a batch are called: ``img_path``, or else ``sample_idx``."""
    samples = data_batch.get('data_samples') if isinstance(data_batch, dict) else None
    if not isinstance(samples, Sequence):
        return []
    if samples and isinstance(samples[0], (list, tuple)):  # views of each image
        samples = samples[0]
    return [str(getattr(s, 'img_path', None) or f'sample {getattr(s, "sample_idx", "?")}') for s in samples]


def check_loader(loader: DataLoader, option: str = 'train_dataloader') -> None:
    """Look whether a data loader has anything to yield.

    Raises:
        TrainingError: If its length is 0; the message has the numbers, and calls the loader ``option``.
    """
    try:
        if len(loader):
            return
        total, own, batches = len(loader.dataset), len(loader.sampler), loader.batch_sampler
        settings = f'batch_size={batches.batch_size}, drop_last={batches.drop_last}'
    except (TypeError, AttributeError):  # an endless one, or no DataLoader
        return
    shared = f', of which this process gets {own}' if own != total else ''
    remedy = f'Look at {option}.dataset and {option}.sampler.'
    if own:
        remedy = f'Set {option}.batch_size to {own} or less, or {option}.drop_last=False.'
    raise TrainingError(f'{option} yields no batch: the data set has {total} samples{shared}, {settings}. {remedy}')


def _number(value: Any) -> float | None:
    if isinstance(value, torch.Tensor):
        return float(value.detach()) if value.numel() == 1 else None
    return float(value) if isinstance(value, (int, float)) else None


@HOOKS.register_module()
class GuardHook(Hook):
    """Stops a training that has gone wrong, on all processes, with an error that says where and what to do.

    - A loss term that is NaN or infinite, or SAM's sharpness: the error names the iteration, the images of the batch,
      all terms, and the last good checkpoint.
    - Weights that are not finite are never saved.
    - A data loader that yields nothing.
    - Metrics that read more than scores behind mmpretrain's ``AverageClsScoreTTA``, which merges nothing else.
    - A metric that is not one number, where early stopping watches it.

    Raises:
        TrainingError: In all of these cases. The first process has the details of all.
    """

    priority = 'HIGH'  # before anything is averaged, logged or saved

    def __init__(self) -> None:
        self._since = time.time()

    def before_run(self, runner: Runner) -> None:
        for name in ('train', 'val', 'test'):
            loop = getattr(runner, f'_{name}_loop', None)  # the properties would build those that are not in use
            if isinstance(loop, BaseLoop):
                check_loader(loop.dataloader, f'{name}_dataloader')

    def before_test_epoch(self, runner: Runner) -> None:
        reading = (DistributionMetric, PredictionDump, SelectiveMetric)
        found = [type(metric).__name__ for metric in runner.test_evaluator.metrics if isinstance(metric, reading)]
        if found and isinstance(runner.model, AverageClsScoreTTA):
            raise TrainingError(
                f'{", ".join(found)} would read the uncertainty of one view: AverageClsScoreTTA merges scores alone. '
                "Set tta_cfg=dict(type='mmfer.ExpressionTTA') in PrepareTTAHook."
            )

    def before_train(self, runner: Runner) -> None:
        # a folder may hold checkpoints of an earlier run; one second, since file systems round their times
        self._since = 0.0 if runner._resume else time.time() - 1

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        terms = {name: _number(value) for name, value in (outputs or {}).items()}
        sharpness = runner.message_hub.log_scalars.get('train/sharpness')
        if sharpness is not None and 'sharpness' not in terms:
            terms['sharpness'] = float(sharpness.current())
        bad = [name for name, value in terms.items() if value is not None and not math.isfinite(value)]
        refused = getattr(runner.optim_wrapper, 'failure', '')  # SAM's, which waits for the other processes to get here
        bad += [refused] if refused else []
        if runner.distributed:
            flag = torch.tensor([float(bool(bad))])
            all_reduce(flag, 'max')
            if not flag.item():
                return
        elif not bad:
            return
        self._stop(runner, batch_idx, bad, terms, batch_names(data_batch))

    def _stop(self, runner: Runner, batch_idx: int, bad: list, terms: dict, names: list) -> None:
        reports = all_gather_object((runner.rank, bad, terms, names))
        ranks = [report[0] for report in reports if report[1]]
        if runner.rank != 0:
            whose = 'its loss' if bad else f'the loss of process {ranks[0]}'
            raise TrainingError(f'process {runner.rank} stops: {whose} is not finite; process 0 has the details')
        where = f'iteration {runner.iter + 1} (epoch {runner.epoch + 1}, batch {batch_idx + 1} of '
        lines = [f'the loss is not finite in {where}{len(runner.train_dataloader)})']
        for rank, bad, terms, names in reports:
            if not bad:
                continue
            prefix = f'process {rank}: ' if runner.distributed else ''
            shown = ', '.join(f'{name}={value:.6g}' for name, value in terms.items() if value is not None)
            lines.append(f'  {prefix}loss terms: {shown or "none"}')
            lines += [f'  {prefix}{text}' for text in bad if text not in terms]
            more = f', ... ({len(names) - LIMIT} more)' if len(names) > LIMIT else ''
            lines.append(f'  {prefix}images of the batch: {", ".join(names[:LIMIT]) or "unknown"}{more}')
        lines.append(f'  last good checkpoint: {self._last_good(runner)}')
        lines.append(
            'Look at these images and their labels; lower the learning rate (optim_wrapper.optimizer.lr), clip '
            'gradients (optim_wrapper.clip_grad.max_norm), or use float32 or bfloat16 where it is float16. A run '
            'that is only continued with --resume comes here again: change a setting with --cfg-options first.'
        )
        raise TrainingError('\n'.join(lines))

    def _last_good(self, runner: Runner) -> str:
        found = (path for path in list_checkpoints(runner.work_dir) if path.stat().st_mtime >= self._since)
        return str(next(found, 'none was written by this run'))

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        with torch.no_grad():
            flags = {name: p.isfinite().all() for name, p in model.named_parameters()}
            if not flags or torch.stack([flag.to(next(iter(flags.values())).device) for flag in flags.values()]).all():
                return
        bad = [name for name, flag in flags.items() if not flag]
        more = f', ... ({len(bad) - LIMIT} more)' if len(bad) > LIMIT else ''
        raise TrainingError(
            f'the weights are not finite by iteration {runner.iter} (epoch {runner.epoch + 1}): '
            f'{", ".join(bad[:LIMIT])}{more}. Nothing was saved; the last good checkpoint: {self._last_good(runner)}. '
            'Lower the learning rate (optim_wrapper.optimizer.lr) or clip '
            'gradients (optim_wrapper.clip_grad.max_norm).'
        )

    def after_train_epoch(self, runner: Runner) -> None:
        if runner.iter == 0:  # the length of a loader over a stream is only a promise
            raise TrainingError('train_dataloader yielded no batch in an epoch. Look at train_dataloader.dataset.')

    def after_val_epoch(self, runner: Runner, metrics: dict[str, Any] | None = None) -> None:
        for hook in runner.hooks:
            watched = getattr(hook, 'monitor', None) if isinstance(hook, EarlyStoppingHook) else None
            value = (metrics or {}).get(watched)
            if value is not None and np.ndim(value):
                single = ', '.join(name for name, other in metrics.items() if not np.ndim(other))
                raise TrainingError(
                    f'EarlyStoppingHook: monitor={watched!r} is not one number. Watch one that is: {single or "none"}'
                )
