"""The first and the last lines of a log: what the result came from, and what it is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch.distributed as torch_dist
from mmengine.hooks import CheckpointHook, Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, Runner

from mmfer.registry import HOOKS
from mmfer.utils.finished import config_settings
from mmfer.utils.progress import duration
from mmfer.utils.provenance import (
    batch_fingerprint,
    config_hash,
    dataset_fingerprint,
    describe,
    differences,
    git_state,
    machine,
    versions,
    weights_fingerprint,
)
from mmfer.utils.tables import render_table

from .guard_hook import newest_checkpoint

BEST = 'best_metrics'  # in the message hub, so that a resumed run knows it
START = ('initial_weights', 'first_batch')  # which a run has from the one that it continues


def collect(runner: Runner) -> dict[str, Any]:
    """What the run of ``runner`` stands on, as plain values; reads the lists of its data sets."""
    data = {}
    for name in ('train', 'val', 'test'):
        loop = getattr(runner, f'_{name}_loop', None)
        if isinstance(loop, BaseLoop):  # the others are not in use
            data[name] = dataset_fingerprint(loop.dataloader.dataset)
    randomness = getattr(runner, '_randomness_cfg', None) or {}
    return dict(
        versions=versions(),
        git=git_state(),
        config=dict(
            file=str(runner.cfg.filename or 'none'), hash=config_hash(runner.cfg), settings=config_settings(runner.cfg)
        ),
        run=dict(
            seed=runner.seed,
            deterministic=bool(runner.deterministic),
            diff_rank_seed=bool(randomness.get('diff_rank_seed', False)),
            processes=runner.world_size,
            backend=torch_dist.get_backend() if runner.distributed else None,
        ),
        machine=machine(),
        data=data,
    )


@HOOKS.register_module()
class ProvenanceHook(Hook):
    """Writes down what a result came from, and repeats at the end of a training what it is.

    The log begins with versions, git state, config and the hash of its content, seed, machine, and for each data set
    its protocol, class counts and the hash of its list (names and labels, not where the data lie). Checkpoints hold the
    same in ``meta['provenance']``. A run that continues another one under other conditions says which they are.

    Two runs began on equal terms where they have the same ``initial_weights`` (a hash for each part of the model, taken
    before the first step) and the same ``first_batch`` (hashes of its samples and of their augmented pixels).

    The log of a training ends with a table of the last and the best metrics, the checkpoints, and the time it took.
    """

    priority = 'LOW'  # before CheckpointHook, so that checkpoints hold the best metrics

    def __init__(self) -> None:
        self.record: dict[str, Any] = {}
        self._start = time.time()
        self._before = 0.0  # seconds of the runs that this one continues
        self._last: tuple = ()  # epoch, metrics
        self._earlier: dict[str, Any] = {}

    def before_run(self, runner: Runner) -> None:
        self._start = time.time()
        if runner.rank == 0:
            self.record = collect(runner)
            runner.logger.info('\n  '.join(['Provenance', *describe(self.record)]))

    @property
    def seconds(self) -> float:
        """How long the training has taken, with the runs that it continues."""
        return round(self._before + time.time() - self._start, 1)

    def before_train(self, runner: Runner) -> None:
        if self.record and runner.iter == 0:
            model = runner.model.module if is_model_wrapper(runner.model) else runner.model
            self._note(runner, 'initial_weights', weights_fingerprint(model))

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if self.record and runner.iter == 0 and 'first_batch' not in self.record:
            is_usual = isinstance(data_batch, dict) and {'inputs', 'data_samples'} <= data_batch.keys()
            self._note(runner, 'first_batch', batch_fingerprint(data_batch) if is_usual else {})

    def _note(self, runner: Runner, name: str, parts: dict[str, str]) -> None:
        self.record[name] = parts
        title = name.replace('_', ' ').capitalize()
        runner.logger.info(f'{title}: {", ".join(f"{part} {digits}" for part, digits in parts.items())}')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if self.record:
            checkpoint['meta']['provenance'] = dict(self.record, seconds=self.seconds)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if runner._resume and runner.rank == 0:
            earlier = (checkpoint.get('meta') or {}).get('provenance') or {}
            self._before = float(earlier.get('seconds', 0.0))
            changed = differences(earlier, self.record) if earlier and self.record else []
            self.record.update({key: earlier[key] for key in START if key in earlier})
            if changed:
                runner.logger.warning('Not as in the run that is continued: ' + '; '.join(changed))

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        numbers = {k: float(v) for k, v in (metrics or {}).items() if isinstance(v, (int, float))}
        if not numbers or not isinstance(runner._train_loop, BaseLoop):
            return
        self._last = (runner.epoch, numbers)
        best = runner.message_hub.runtime_info.get(BEST)
        if best is None or self._is_better(runner, numbers, best['metrics']):
            runner.message_hub.update_info(BEST, dict(epoch=runner.epoch, metrics=numbers))

    @staticmethod
    def _is_better(runner: Runner, new: dict, old: dict) -> bool:
        for hook in runner.hooks:
            if isinstance(hook, CheckpointHook) and getattr(hook, 'is_better_than', None):
                key = hook.key_indicators[0]
                if key in new and key in old:
                    return bool(hook.is_better_than[key](new[key], old[key]))
        key = next(iter(new))
        return new[key] > old.get(key, float('-inf'))

    def after_run(self, runner: Runner) -> None:
        if runner.rank == 0 and isinstance(runner._train_loop, BaseLoop):
            runner.logger.info('\n'.join(self._summary(runner)))

    def _summary(self, runner: Runner) -> list[str]:
        best = runner.message_hub.runtime_info.get(BEST)
        lines = [f'Training ended after epoch {runner.epoch} (iteration {runner.iter}).']
        if self._last:
            epoch, last = self._last
            columns = [(f'last, epoch {epoch}', last)]
            if best:
                columns.append((f'best, epoch {best["epoch"]}', best['metrics']))
            cells = [[f'{metrics[name]:.4f}' if name in metrics else '' for _, metrics in columns] for name in last]
            rows = [[name, *row] for name, row in zip(last, cells)]
            lines.append(render_table(['metric', *(title for title, _ in columns)], rows).rstrip('\n'))
        newest = newest_checkpoint(runner.work_dir)
        lines.append(f'last checkpoint: {newest or "none"}')
        path = runner.message_hub.runtime_info.get('best_ckpt')
        if path:
            lines.append(f'best checkpoint: {Path(runner.work_dir, Path(str(path)).name)}')
        seconds = time.time() - self._start
        total = f', {duration(self._before + seconds)} with the runs it continues' if self._before else ''
        lines.append(f'time: {duration(seconds)}{total}')
        return lines
