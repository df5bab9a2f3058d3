"""Stopping trainings that cannot succeed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.models import AverageClsScoreTTA

from mmfer.evaluation import DistributionMetric, GroupMetric, PredictionDump, SelectiveMetric, VoteMetric
from mmfer.registry import HOOKS
from mmfer.utils.checkpoint import list_checkpoints
from mmfer.utils.errors import TrainingError

from ..processes import unwrapped

LIMIT = 10  # file names shown


def batch_names(data_batch: Any) -> list[str]:
    """What the samples of a batch are called: ``img_path``, or else ``sample_idx``."""
    samples = data_batch.get('data_samples') if isinstance(data_batch, dict) else None
    if not isinstance(samples, Sequence):
        return []
    if samples and isinstance(samples[0], (list, tuple)):  # views of each image
        samples = samples[0]
    return [str(getattr(s, 'img_path', None) or f'sample {getattr(s, "sample_idx", "?")}') for s in samples]


def _listed(names: Sequence[str]) -> str:
    more = f', ... ({len(names) - LIMIT} more)' if len(names) > LIMIT else ''
    return ', '.join(names[:LIMIT]) + more


@HOOKS.register_module()
class GuardHook(Hook):
    """Stops a training that has gone wrong, on all processes, with an error that says where and what to do.

    - A loss term is NaN or infinite, or SAM refused the step: the error names the iteration, the images of the batch,
      all terms, and the last good checkpoint.
    - Weights that are not finite are never saved.
    - Metrics that read more than scores stand behind mmpretrain's ``AverageClsScoreTTA``, which merges nothing else.

    Raises:
        TrainingError: In all of these cases.
    """

    priority = 'HIGH'  # before anything is averaged, logged or saved

    def before_test_epoch(self, runner: Runner) -> None:
        reading = (DistributionMetric, GroupMetric, PredictionDump, SelectiveMetric, VoteMetric)
        found = [type(metric).__name__ for metric in runner.test_evaluator.metrics if isinstance(metric, reading)]
        if found and isinstance(runner.model, AverageClsScoreTTA):
            raise TrainingError(
                f'{", ".join(found)} would read the uncertainty of one view: AverageClsScoreTTA merges scores alone. '
                "Set tta_cfg=dict(type='mmfer.ExpressionTTA') in PrepareTTAHook."
            )

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        found = {name: value for name, value in (outputs or {}).items() if isinstance(value, (float, torch.Tensor))}
        values = {name: torch.as_tensor(value).detach() for name, value in found.items()}
        terms = {name: value.item() for name, value in values.items() if value.numel() == 1}
        refused = getattr(runner.optim_wrapper, 'failure', '')  # SAM's, which waits for the other processes to get here
        bad = bool(refused) or not all(map(math.isfinite, terms.values()))
        if runner.distributed:
            flag = torch.tensor([float(bad)])
            all_reduce(flag, 'max')
            if flag.item() and not bad:
                raise TrainingError(f'process {runner.rank} stops: the loss of another process is not finite')
        if bad:
            where = f'iteration {runner.iter + 1} (epoch {runner.epoch + 1}, batch {batch_idx + 1} of '
            process = f' in process {runner.rank}' if runner.distributed else ''
            raise TrainingError(
                f'the loss is not finite in {where}{len(runner.train_dataloader)}){process}\n'
                f'  loss terms: {", ".join(f"{name}={value:.6g}" for name, value in terms.items()) or "none"}\n'
                + (f'  {refused}\n' if refused else '')
                + f'  images of the batch: {_listed(batch_names(data_batch)) or "unknown"}\n'
                f'  last good checkpoint: {_last_good(runner)}\n'
                'Look at these images and their labels; lower the learning rate (optim_wrapper.optimizer.lr), clip '
                'gradients (optim_wrapper.clip_grad.max_norm), or use float32 or bfloat16 where it is float16. A run '
                'that is only continued with --resume comes here again: change a setting with --cfg-options first. '
                '(mmfer explain loss-not-finite)'
            )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        model = unwrapped(runner.model)
        with torch.no_grad():
            bad = [name for name, p in model.named_parameters() if not p.isfinite().all()]
        if bad:
            raise TrainingError(
                f'the weights are not finite by iteration {runner.iter} (epoch {runner.epoch + 1}): {_listed(bad)}. '
                f'Nothing was saved; the last good checkpoint: {_last_good(runner)}. Lower the learning rate '
                '(optim_wrapper.optimizer.lr) or clip gradients (optim_wrapper.clip_grad.max_norm). '
                '(mmfer explain loss-not-finite)'
            )


def _last_good(runner: Runner) -> str:
    return str(next(iter(list_checkpoints(runner.work_dir)), 'none was written by this run'))
