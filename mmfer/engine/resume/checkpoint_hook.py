from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from mmengine.hooks import CheckpointHook
from mmengine.runner import IterBasedTrainLoop, Runner

from mmfer.registry import HOOKS
from mmfer.utils.checkpoint import age, list_checkpoints

from .checkpoints import prune_checkpoints

SUFFIX = r'_(?:epoch|iter)_(\d+)\.pth$'


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """Saves checkpoints so that there is always a whole one; belongs to FERRunner.

    A new file is complete, on the disk, and under its name before an older one is removed, be it the last or the best.
    All files lie in the work dir and are found by their names (``epoch_3.pth``, within an epoch
    ``epoch_2_iter_500.pth``, ``best_accuracy_epoch_3.pth``), so the folder can be moved. The first process writes, the
    others wait, and all of them stop with a clear error where it cannot.

    A training that starts anew where an earlier one left checkpoints moves those to a folder ``earlier_<time>``.

    Args:
        interval: Epochs (or iterations) between checkpoints; -1: none but the last.
        by_epoch: Count epochs, not iterations.
        max_keep_ckpts: So many are kept, apart from the best; -1: all.
        save_last: Save at the end, too, also where EarlyStoppingHook brings it about.
        save_best: Metric, or several, for each of which the best weights are kept (without the optimizer's state);
            ``'auto'`` is the first metric.
        rule: ``'greater'``, ``'less'``, or None to tell by the name of the metric; one for all, or one each.
        save_begin: Epochs (or iterations) before the first checkpoint.

    Raises:
        ValueError: If an argument is out of range.
    """

    _default_greater_keys = [*CheckpointHook._default_greater_keys, 'f1']
    _default_less_keys = [*CheckpointHook._default_less_keys, 'nll', 'brier', 'ece', 'mce', 'kl', 'js', 'aurc']
    _default_less_keys += ['fpr95', 'top_error', 'class_error']

    def __init__(
        self,
        interval: int = 1,
        by_epoch: bool = True,
        max_keep_ckpts: int = -1,
        save_last: bool = True,
        save_best: str | list[str] | None = None,
        rule: str | list[str] | None = None,
        save_begin: int = 0,
    ) -> None:
        for name, value in (('interval', interval), ('max_keep_ckpts', max_keep_ckpts)):
            if not isinstance(value, int) or not (value == -1 or value > 0):
                raise ValueError(f'SafeCheckpointHook: {name}={value!r} must be 1 or more, or -1')
        super().__init__(
            interval=interval,
            by_epoch=by_epoch,
            max_keep_ckpts=max_keep_ckpts,
            save_last=save_last,
            save_best=save_best,
            rule=rule,
            save_begin=save_begin,
        )
        self._saved: tuple | None = None  # epochs, iterations and name of the newest regular checkpoint
        self._training = False

    # ---- the folder -----------------------------------------------------------------------------------------------
    def before_train(self, runner: Runner) -> None:
        if self.by_epoch and isinstance(runner.train_loop, IterBasedTrainLoop):
            raise ValueError(
                'SafeCheckpointHook would save nothing: it counts epochs, which a training by iterations has not. Set '
                'by_epoch=False in default_hooks.checkpoint.'
            )
        self.out_dir = runner.work_dir
        self._training = True
        resumed = runner.resumed
        if resumed is not None:
            self._saved = (resumed['epoch'], resumed['iter'], Path(resumed['path']).name)
            self.last_ckpt = str(resumed['path'])
        if runner.rank == 0:
            self._tidy(runner, resumed)

    def _tidy(self, runner: Runner, resumed: dict | None) -> None:
        """Remove what a killed run left half-written, and set aside the files of other runs."""
        folder = Path(self.out_dir)
        for part in folder.glob('.*.pth.*part'):
            part.unlink()
        best = [path for path in folder.glob('best_*.pth') if re.search(SUFFIX, path.name)]
        if resumed is None:
            strange = list_checkpoints(folder) + best
        else:  # newer ones did not load, or, if the file was chosen, belong to another future
            here, chosen = Path(resumed['path']), resumed['chosen']
            present = age(here) or (resumed['epoch'], resumed['iter'])
            strange = [p for p in list_checkpoints(folder) if age(p) > present or (chosen and age(p) == present)]
            done = resumed['epoch' if self.by_epoch else 'iter']
            strange += [p for p in best if chosen and int(re.search(SUFFIX, p.name)[1]) > done]
            strange = [p for p in strange if not (here.exists() and p.samefile(here))]
        if strange:
            aside = folder / time.strftime('earlier_%Y%m%d_%H%M%S')
            aside.mkdir(exist_ok=True)
            for path in strange:
                path.replace(aside / path.name)
            names = ', '.join(path.name for path in strange)
            runner.logger.warning(f'Checkpoints that this training does not continue were moved to {aside}: {names}')

    # ---- the newest -----------------------------------------------------------------------------------------------
    def _save_checkpoint(self, runner: Runner) -> None:
        self._save(runner, runner.epoch + self.by_epoch, runner.iter + (not self.by_epoch))

    def _save(self, runner: Runner, epoch: int, done: int) -> None:
        name = f'epoch_{epoch}.pth'
        if not self.by_epoch:
            without_epochs = isinstance(runner.train_loop, IterBasedTrainLoop)
            name = f'iter_{done}.pth' if without_epochs else f'epoch_{epoch}_iter_{done}.pth'
        self._write(runner, name, dict(epoch=epoch, iter=done))
        self._saved = (epoch, done, name)
        if runner.rank == 0:
            prune_checkpoints(self.out_dir, self.max_keep_ckpts, self.by_epoch)

    def _write(self, runner: Runner, name: str, meta: dict, with_optimizer: bool = True) -> None:
        path = runner.save_together(name, meta, save_optimizer=with_optimizer, save_param_scheduler=with_optimizer)
        if with_optimizer:
            self.last_ckpt = str(path)

    # ---- the best -------------------------------------------------------------------------------------------------
    def after_val_epoch(self, runner: Runner, metrics: dict[str, Any]) -> None:
        if self._training:
            super().after_val_epoch(runner, metrics)

    def after_train(self, runner: Runner) -> None:
        if self.save_last and getattr(runner.train_loop, 'stop_training', False):  # early, by EarlyStoppingHook
            self._save(runner, runner.epoch, runner.iter)
        self._training = False

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, Any]) -> None:
        """Save the weights where a metric is better than ever, and then the newest checkpoint again, which tells it."""
        if not self.save_best:
            return
        if 'auto' in self.key_indicators:
            self._init_rule(self.rules, [next(iter(metrics))])
        meta = dict(epoch=runner.epoch, iter=runner.iter, validated=True)
        unit, number = ('epoch', runner.epoch) if self.by_epoch else ('iter', runner.iter)
        improved = False
        for key, rule in zip(self.key_indicators, self.rules):
            if key not in metrics:
                raise ValueError(f'save_best={key!r}: the evaluators give {", ".join(metrics)}')
            suffix = '' if len(self.key_indicators) == 1 else f'_{key}'
            best = runner.message_hub.get_info(f'best_score{suffix}', self.init_value_map[rule])
            score = float(metrics[key])
            if not self.is_better_than[key](score, best):
                continue
            improved = True
            name = f'best_{key}_{unit}_{number}.pth'.replace('/', '_')
            runner.message_hub.update_info(f'best_score{suffix}', score)
            runner.message_hub.update_info(f'best_ckpt{suffix}', name)
            self._write(runner, name, dict(meta), with_optimizer=False)
            if suffix:
                self.best_ckpt_path_dict[key] = str(Path(self.out_dir, name))
            else:
                self.best_ckpt_path = str(Path(self.out_dir, name))
            if runner.rank == 0:
                own = re.compile(re.escape(f'best_{key}'.replace('/', '_')) + SUFFIX)
                for path in Path(self.out_dir).glob('best_*.pth'):
                    if own.match(path.name) and path.name != name:
                        path.unlink(missing_ok=True)
            runner.logger.info(f'The best {key} so far, {score:.4f}, at {unit} {number}: saved in {name}')
        last = runner.epoch >= runner.max_epochs and self.by_epoch
        if (improved or last) and self._saved is not None and self._saved[:2] == (runner.epoch, runner.iter):
            self._write(runner, self._saved[2], dict(meta))
