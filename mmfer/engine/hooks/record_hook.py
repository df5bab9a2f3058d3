"""The first and the last lines of a log: what the result came from, and what it is."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import BaseLoop, Runner

from mmfer.registry import HOOKS
from mmfer.structures.run_record import (
    MARKER,
    RunRecord,
    config_settings,
    git_state,
    machine,
    settings_hash,
    versions,
)
from mmfer.utils.checkpoint import list_checkpoints
from mmfer.utils.progress import duration
from mmfer.utils.tables import render_table

from ..fingerprints import batch_fingerprint, dataset_fingerprint, weights_fingerprint
from ..processes import unwrapped


@HOOKS.register_module()
class RecordHook(Hook):
    """Writes down what a result comes from and what it is, see :class:`mmfer.structures.run_record.RunRecord`.

    The log begins with versions, git state, config and the hash of its settings, seed, machine, and for each data set
    its protocol, class counts and the hash of its list (names and labels, not where the data lie). Checkpoints hold the
    same in ``meta['record']``. A run that continues another one under other conditions says which they are.

    A training that comes to its end logs a table of the last and the best metrics, the checkpoints, and the time it
    took, and leaves all that in ``finished.json``; one that begins or goes on takes that of an earlier one away.
    """

    priority = 'LOWEST'  # after CheckpointHook, whose last checkpoint the summary names

    def __init__(self) -> None:
        self.record: RunRecord | None = None  # of the first process
        self._start = time.time()
        self._before = 0.0  # seconds of the runs that this one continues

    def before_run(self, runner: Runner) -> None:
        self._start = time.time()
        if runner.rank == 0:
            self.record = collect(runner)
            runner.logger.info('\n  '.join(['Run record', *self.record.lines()]))

    def before_train(self, runner: Runner) -> None:
        if self.record is None:
            return
        Path(runner.work_dir, MARKER).unlink(missing_ok=True)
        if runner.iter == 0:
            self.record.initial_weights = weights_fingerprint(unwrapped(runner.model))
            _log(runner, 'Initial weights', self.record.initial_weights)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        is_usual = isinstance(data_batch, dict) and {'inputs', 'data_samples'} <= data_batch.keys()
        if self.record is not None and runner.iter == 0 and is_usual:
            self.record.first_batch = batch_fingerprint(data_batch)
            _log(runner, 'First batch', self.record.first_batch)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if self.record is not None:
            self.record.seconds = round(self._before + time.time() - self._start, 1)
            checkpoint['meta']['record'] = self.record.to_dict()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        earlier = (checkpoint.get('meta') or {}).get('record')
        if self.record is None or not earlier or not runner._resume:
            return
        changed = self.record.differences(earlier)
        if changed:
            text = 'Not as in the run that is continued (whose optimizer goes on with its own settings): '
            runner.logger.warning(text + '; '.join(changed))
        self._before = earlier['seconds']
        self.record.initial_weights, self.record.first_batch = earlier['initial_weights'], earlier['first_batch']

    def after_train(self, runner: Runner) -> None:
        if self.record is None:
            return
        self.record.seconds = round(self._before + time.time() - self._start, 1)
        results = final_metrics(runner)
        now = datetime.now().astimezone().isoformat(timespec='seconds')
        done = dict(epochs=runner.epoch, iterations=runner.iter, finished=now)
        self.record.write(runner.work_dir, {**done, **results})
        runner.logger.info('\n'.join(self._summary(runner, results)))

    def _summary(self, runner: Runner, results: dict[str, Any]) -> list[str]:
        lines = [f'Training ended after epoch {runner.epoch} (iteration {runner.iter}).']
        if results['last']:
            epoch = results['best_epoch']
            rows = [[name, *(_shown(results[part].get(name)) for part in ('last', 'best'))] for name in results['last']]
            title = f'best, epoch {epoch}' if epoch else 'best'
            lines.append(render_table(['metric', 'last', title], rows).rstrip('\n'))
        newest = next(iter(list_checkpoints(runner.work_dir)), None)
        lines.append(f'last checkpoint: {newest or "none"}')
        if results['best_checkpoint']:
            lines.append(f'best checkpoint: {Path(runner.work_dir, results["best_checkpoint"])}')
        total = f', {duration(self.record.seconds)} with the runs it continues' if self._before else ''
        lines.append(f'time: {duration(time.time() - self._start)}{total}')
        return lines


def _log(runner: Runner, title: str, hashes: dict[str, str]) -> None:
    runner.logger.info(f'{title}: {", ".join(f"{part} {digits}" for part, digits in hashes.items())}')


def collect(runner: Runner) -> RunRecord:
    """What the run of ``runner`` stands on; reads the lists of its data sets."""
    loops = {name: getattr(runner, f'_{name}_loop', None) for name in ('train', 'val', 'test')}
    settings = config_settings(runner.cfg)
    return RunRecord(
        config=str(runner.cfg.filename or 'none'),
        config_hash=settings_hash(settings),
        settings=settings,
        seed=runner.seed,
        deterministic=bool(runner.deterministic),
        processes=runner.world_size,
        versions=versions(),
        git=git_state(),
        machine=machine(),
        data={  # of the loops that are in use
            name: dataset_fingerprint(loop.dataloader.dataset)
            for name, loop in loops.items()
            if isinstance(loop, BaseLoop)
        },
        parameters=sum(parameter.numel() for parameter in unwrapped(runner.model).parameters()),
    )


def final_metrics(runner: Runner) -> dict[str, Any]:
    """Results of the validations of a training: of the last one, and of the best one.

    Returns:
        dict: ``last`` and ``best`` (name to value, None where it is not finite), ``best_by`` (the metric that chose
        the best validation: that of the checkpoint hook's ``save_best``, else ``accuracy``), ``best_epoch`` and
        ``best_checkpoint`` (None without ``save_best``).
    """
    buffers = {k[4:]: v for k, v in runner.message_hub.log_scalars.items() if k.startswith('val/')}
    histories = {name: buffer.data[0] for name, buffer in buffers.items() if name not in ('time', 'data_time')}
    last = {name: _finite(values[-1]) for name, values in histories.items()}
    key, rule = _best_rule(runner, histories)
    values = histories.get(key)
    info = runner.message_hub.runtime_info
    checkpoint = info.get('best_ckpt') or info.get(f'best_ckpt_{key}')  # of one metric, or of several
    result = dict(last=last, best={}, best_by=None, best_epoch=None, best_checkpoint=None)
    if values is not None and np.isfinite(values).any():
        at = int(np.nanargmin(values) if rule == 'less' else np.nanargmax(values))
        best = {name: _finite(other[at]) for name, other in histories.items() if len(other) == len(values)}
        result.update(best=best, best_by=key)
        if checkpoint:
            name = Path(checkpoint).name
            epoch = re.search(r'epoch_(\d+)', name)
            result.update(best_checkpoint=name, best_epoch=int(epoch[1]) if epoch else None)
    return result


def _best_rule(runner: Runner, histories: Mapping[str, Any]) -> tuple[str, str]:
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook) and getattr(hook, 'key_indicators', None):
            if histories and 'auto' in hook.key_indicators:  # without a validation since it was resumed
                hook._init_rule(hook.rules, [next(iter(histories))])
            return hook.key_indicators[0], hook.rules[0]
    return 'accuracy', 'greater'


def _finite(value: float) -> float | None:
    value = float(value)
    return value if math.isfinite(value) else None


def _shown(value: float | None) -> str:
    return '' if value is None else f'{value:.4f}'
