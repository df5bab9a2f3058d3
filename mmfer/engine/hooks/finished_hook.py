from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import get_world_size, master_only
from mmengine.hooks import CheckpointHook, Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmfer.registry import HOOKS
from mmfer.utils.finished import MARKER, write_json
from mmfer.utils.provenance import config_hash

from .provenance_hook import START, ProvenanceHook


@HOOKS.register_module()
class FinishedHook(Hook):
    """Leaves ``finished.json`` in the work dir of a training that has come to its end.

    It holds the metrics of the last and the best validation, the settings they were reached with, and of what
    ProvenanceHook knows how the training began and how long it took. A training that was interrupted leaves none; one
    that begins or goes on takes that of an earlier one away.

    Args:
        settings: What the training is made with, see :func:`mmfer.utils.finished.config_settings`.
    """

    priority = 'LOWEST'  # once the other hooks have brought the training to its end

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = dict(settings)

    @master_only
    def before_train(self, runner: Runner) -> None:
        Path(runner.work_dir, MARKER).unlink(missing_ok=True)

    @master_only
    def after_train(self, runner: Runner) -> None:
        content = dict(
            seed=runner.seed,
            processes=get_world_size(),
            epochs=runner.epoch,
            iterations=runner.iter,
            **final_metrics(runner),
            finished=datetime.now().astimezone().isoformat(timespec='seconds'),
            config_hash=config_hash(runner.cfg),
            **_provenance(runner),
            settings=self.settings,
        )
        write_json(Path(runner.work_dir, MARKER), content)


def _provenance(runner: Runner) -> dict[str, Any]:
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    known: dict[str, Any] = dict(parameters=sum(parameter.numel() for parameter in model.parameters()))
    for hook in runner.hooks:
        if isinstance(hook, ProvenanceHook):
            known.update(seconds=hook.seconds)
            known.update({key: hook.record[key] for key in (*START, 'versions', 'git') if key in hook.record})
    return known


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
    key, rule = _best_rule(runner)
    values = histories.get(key)
    checkpoint = runner.message_hub.runtime_info.get('best_ckpt')
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


def _best_rule(runner: Runner) -> tuple[str, str]:
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook) and getattr(hook, 'key_indicators', None):
            return hook.key_indicators[0], hook.rules[0]
    return 'accuracy', 'greater'


def _finite(value: float) -> float | None:
    value = float(value)
    return value if math.isfinite(value) else None
