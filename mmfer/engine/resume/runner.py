"""Checkpoints that a training continues from exactly."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import mmengine
from mmengine.dist import master_only
from mmengine.hooks import EarlyStoppingHook, EMAHook
from mmengine.runner import IterBasedTrainLoop, Runner
from mmengine.runner.base_loop import BaseLoop
from mmengine.runner.checkpoint import _load_checkpoint_to_model
from torch import nn

from mmfer.models.heads.calibration import adopt_calibration, describe_calibration, drop_calibration
from mmfer.models.released.weights import fill
from mmfer.utils.checkpoint import checkpoint_classes, list_checkpoints, load_checkpoint, write_checkpoint
from mmfer.utils.errors import TrainingError
from mmfer.utils.state_dict import find_state_dict

from ..class_names import check_num_classes, classes_of, describe_rows, match_rows, same_names
from ..processes import by_first, unwrapped
from .checkpoint_hook import SafeCheckpointHook
from .checkpoints import holds_training, load_newest, prune_checkpoints, restore_message_hub
from .seeding import base_seed_of, data_of
from .state import (
    check_optimizer,
    check_schedules,
    modules_of,
    rank_states,
    restore_rank_state,
    restore_schedules,
)


class ResumableRunner(Runner):
    """The part of FERRunner that saves and continues trainings.

    ``resume=True`` continues the newest checkpoint in the work dir that loads. Where there is none, the training
    starts, from the weights of ``load_from`` if that is set. ``resume='FILE'`` continues that file.

    Checkpoints hold nothing but tensors, numbers and strings, are written atomically and read with
    ``weights_only=True``.

    Attributes:
        resumed (dict | None): Where this training continues: ``path``, ``epoch``, ``iter`` and whether the file was
            ``chosen`` by the user.
    """

    _strict = False
    _in_evaluation = False  # the weights may be those of EMAHook
    resumed: dict | None = None
    _content: tuple[str, dict] | None = None  # a checkpoint that was read ahead

    @property
    def base_seed(self) -> int:
        """The seed of the run, the same on all processes."""
        return base_seed_of(self)

    @cached_property
    def _config_text(self) -> str:
        text = self.cfg.pretty_text
        # MMEngine makes the text twice more, for itself, and yapf's layout takes most of the time
        object.__setattr__(self.cfg, '_format_python_code', False)
        return text

    @property
    def model_classes(self) -> tuple[str, ...]:
        """Classes of the model in the order of its outputs; empty where they are unknown.

        Those of the training data, or in an evaluation those that the checkpoint was trained on.
        """
        if self._strict and not self._has_loaded:
            if self._content is None and self._load_from is not None:
                self.use_content(self._load_from, load_checkpoint(self._load_from))
            return checkpoint_classes(self._content[1]) if self._content else ()
        loop = self._train_loop
        return classes_of(data_of(loop.dataloader)) if isinstance(loop, BaseLoop) else ()

    def call_hook(self, fn_name: str, **kwargs) -> None:
        if fn_name in ('after_val_epoch', 'after_test_epoch'):
            self._in_evaluation = False
        super().call_hook(fn_name, **kwargs)
        if fn_name in ('before_val_epoch', 'before_test_epoch'):
            self._in_evaluation = True

    def use_content(self, path: str | Path, content: dict) -> None:
        """Let ``load_checkpoint(path)`` take what was read already; it may be changed then."""
        self._content = (str(path), content)

    def _init_model_weights(self) -> None:
        if self._content is None:  # else all of them come from the checkpoint
            super()._init_model_weights()

    # ---- saving ---------------------------------------------------------------------------------------------------
    @master_only
    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args: dict | None = None,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: dict | None = None,
        by_epoch: bool = True,
        backend_args: dict | None = None,
        states: list | None = None,
    ) -> None:
        """Write a checkpoint; arguments as of MMEngine's ``Runner``, but to local disks only.

        Args:
            states: What each process has of its own, see :func:`mmfer.engine.resume.state.rank_states`.
        """
        if file_client_args or backend_args:
            raise ValueError('checkpoints are written to local disks only: file_client_args and backend_args not used')
        loop = self.train_loop
        here = dict(epoch=self.epoch + by_epoch, iter=self.iter + (not by_epoch))
        meta = {**here, **(meta or {})}
        meta.update(
            cfg=self._config_text,
            seed=self.base_seed,
            experiment_name=self.experiment_name,
            time=time.strftime('%Y%m%d_%H%M%S', time.localtime()),
            mmengine_version=mmengine.__version__,
            max_epochs=self.max_epochs,
            max_iters=self.max_iters,
            dataset_meta=getattr(self.train_dataloader.dataset, 'metainfo', None),
        )
        if hasattr(loop, 'layout'):
            now = (meta['epoch'], meta['iter'])
            meta.setdefault('validated', loop.validated and now == (loop.epoch, loop.iter))
            meta.update(layout=loop.layout(), batch=loop.batch if meta['epoch'] == loop.epoch else 0)
        model = unwrapped(self.model)
        hub = self.message_hub.state_dict()
        kept = {*hub['log_scalars'], *hub['runtime_info']}
        hub['resumed_keys'] = {key: value for key, value in hub['resumed_keys'].items() if key in kept}
        content = dict(meta=meta, state_dict=model.state_dict(), message_hub=hub)
        if save_optimizer:
            content['optimizer'] = self.optim_wrapper.state_dict()
            meta['optimizer_type'] = type(self.optim_wrapper.optimizer).__name__
        if save_param_scheduler and self.param_schedulers is not None:
            content['param_schedulers'] = [item.state_dict() for item in self.param_schedulers]
        if states:
            content['rank_states'] = states
        self.call_hook('before_save_checkpoint', checkpoint=content)
        write_checkpoint(content, Path(out_dir, filename))

    def save_together(self, filename: str, meta: dict, **options) -> Path:
        """Write a checkpoint into the work dir: the first process writes, the others wait. Call it in all of them.

        Args:
            filename: Its name.
            meta: ``epoch`` and ``iter``, the numbers that are done.
            options: Further arguments of :meth:`save_checkpoint`.

        Returns:
            The path.

        Raises:
            TrainingError: If it cannot be written. Older checkpoints are as they were.
        """
        states = rank_states(self) if options.get('save_optimizer', True) else None
        path = Path(self.work_dir, filename)
        try:
            by_first(self, lambda: self.save_checkpoint(self.work_dir, filename, meta=meta, states=states, **options))
        except OSError as error:
            last = next(iter(list_checkpoints(self.work_dir)), None)
            safe = f'The last good checkpoint, {last}, is as it was' if last else 'There is no earlier checkpoint'
            raise TrainingError(
                f'{path} could not be written ({error.strerror or error}), and nothing of it is left. {safe}. Make '
                'room, or whatever the disk lacks, and continue with --resume.'
            ) from error
        return path

    def save_interrupted(self) -> Path:
        """Save where the training is, so that it continues exactly there. Call it in all processes.

        It can be called by hooks of priority LOWEST in ``after_train_iter``, ``before_train_epoch``, ``before_val`` and
        ``after_val_epoch``, and by any hook in ``after_val_iter``: then the validation is repeated.

        Returns:
            The checkpoint: a new one, or at the end of an epoch the one that was just saved.
        """
        loop = self.train_loop
        whole = Path(self.work_dir, f'epoch_{loop.epoch}.pth')
        if not hasattr(loop, 'steps'):
            self.logger.warning(f'{type(loop).__name__} cannot continue within an epoch: nothing more is saved')
            return next(iter(list_checkpoints(self.work_dir)), whole)
        if by_first(self, lambda: loop.batch == 0 and whole.is_file()):
            return whole
        epoch, done = loop.epoch, loop.steps
        hooks = [hook for hook in self.hooks if isinstance(hook, EMAHook)] if self._in_evaluation else []
        for hook in hooks:
            hook._swap_ema_parameters()
        try:
            path = self.save_together(f'epoch_{epoch}_iter_{done}.pth', dict(epoch=epoch, iter=done))
        finally:
            for hook in hooks:
                hook._swap_ema_parameters()
        if self.rank == 0 and all(hook.by_epoch for hook in self.hooks if isinstance(hook, SafeCheckpointHook)):
            prune_checkpoints(self.work_dir, keep=-1)  # those of interruptions before this one
        return path

    # ---- continuing -----------------------------------------------------------------------------------------------
    def _find_start(self) -> None:
        """Read the checkpoint that a resumed training continues, and take over its seed, before anything is built."""
        if not self._resume or self._has_loaded or self._content is not None:
            return
        chosen = self._resume if isinstance(self._resume, (str, Path)) else None

        def find() -> str | None:
            newest = (chosen, load_checkpoint(chosen)) if chosen else load_newest(self.work_dir)
            if newest is not None:
                self.use_content(*newest)
            return newest and str(newest[0])

        path = by_first(self, find)
        if path is None:
            start = f'with the weights of {self._load_from}' if self._load_from else 'anew'
            self.logger.info(f'No checkpoint in {self.work_dir}: the training starts {start}')
            self._resume = False
            return
        if self.rank != 0:
            self.use_content(path, load_checkpoint(path))
        content = self._content[1]
        if not holds_training(content):
            raise ValueError(
                f'{path} holds weights, but no state of a training, so it cannot be continued. Resume from epoch_*.pth '
                f'(best_*.pth are for testing), or start with these weights: --cfg-options load_from={path} '
                '(mmfer explain cannot-resume)'
            )
        self.resumed = dict(path=Path(path), chosen=bool(chosen))
        self.resumed.update({key: content['meta'][key] for key in ('epoch', 'iter')})
        seed = content['meta'].get('seed')
        if seed is not None and seed != self.base_seed:
            if self._randomness_cfg.get('seed') is not None:
                text = f'The training is continued with its own seed, {seed}; the config says {self.base_seed}'
                self.logger.warning(text)
            self._randomness_cfg.update(seed=seed)
            self.set_randomness(**self._randomness_cfg)

    def load_or_resume(self) -> None:
        if self._has_loaded:
            return
        if self._content is not None and self._resume:
            self.resume(self._content[0])
        elif self._load_from is not None:
            self.load_checkpoint(self._load_from)
        self._has_loaded = True

    def load_checkpoint(
        self,
        filename: str,
        map_location: str | Callable = 'cpu',
        strict: bool = False,
        revise_keys: list = [(r'^module.', '')],  # noqa: B006 (the signature of MMEngine)
    ) -> dict:
        ahead, self._content = self._content, None
        checkpoint = ahead[1] if ahead and ahead[0] == str(filename) else load_checkpoint(filename, map_location)
        if 'message_hub' in checkpoint:
            checkpoint['message_hub'] = restore_message_hub(checkpoint['message_hub'])
        self._take_calibration(checkpoint, filename)
        model = unwrapped(self.model)
        self._match_classes(checkpoint, filename, model)
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        if self._resume and not any(isinstance(hook, EMAHook) for hook in self.hooks):
            # an EMAHook of that time exchanged its averages, which are not needed any more, with the trained weights
            averaged = checkpoint.get('ema_state_dict', {}).items()
            checkpoint['state_dict'].update((k[7:], v) for k, v in averaged if k.startswith('module.'))
        if strict or self._strict or self._resume:
            fill(model, find_state_dict(checkpoint), filename)
        else:  # fine-tuning may start from a model with another head: MMEngine's warnings say what is left out
            state, own = find_state_dict(checkpoint), model.state_dict()
            if not any(name in own and own[name].shape == value.shape for name, value in state.items()):
                reason = f'none of its {len(state)} tensors has a place in the model'
                raise ValueError(f'{filename} does not fit: {reason} (mmfer explain weights-do-not-fit)')
            _load_checkpoint_to_model(model, checkpoint, revise_keys=revise_keys)
        self._has_loaded = True
        self.logger.info(f'Load checkpoint from {filename}')
        return checkpoint

    def _match_classes(self, checkpoint: dict, filename: str, model: nn.Module) -> None:
        """Let a training that starts from a checkpoint have its head by the names of the classes."""
        old = checkpoint_classes(checkpoint)
        if self._strict:
            check_num_classes(model, old, f'the weights of {filename}')
            return
        state, new = find_state_dict(checkpoint), self.model_classes
        if self._resume or not new or not any(name.startswith('head.') for name in state):
            return
        if not old:
            text = f'{filename} does not name its classes: those of its head are taken to be {", ".join(new)}'
            self.logger.warning(text)
        elif not same_names(old, new):
            head = (self.cfg.get('model') or {}).get('head') or {}
            if 'num_classes' not in head:
                raise ValueError(
                    f'{filename} has the classes {", ".join(old)}, the training data {", ".join(new)}, and the config '
                    'has no model.head.num_classes to match them by. Sort the data alike (MapClasses).'
                )
            if match_rows(state, model.state_dict(), head, old, new):
                checkpoint['state_dict'] = state  # a new dict
                self.logger.info(f'{filename} has the classes {", ".join(old)}: {describe_rows(old, new)}')

    def _take_calibration(self, checkpoint: dict, filename: str) -> None:
        """Calibrations are for tests, of the very weights that they were fitted to: trainings go on without."""
        if self._strict:
            state = find_state_dict(checkpoint)
            adopted = {part: adopt_calibration(module, state) for part, module in modules_of(self)}
            if adopted['model']:
                self.logger.info(f'Calibrated: {describe_calibration(checkpoint)}')
        elif drop_calibration(checkpoint.get('state_dict', checkpoint)):
            self.logger.warning(f'{filename} is calibrated: the training has its weights, and not its calibration')

    def resume(self, filename: str, map_location: str | Callable = 'cpu') -> None:
        """Continue the training of a checkpoint.

        Raises:
            ValueError: If that would not be the same training.
        """
        checkpoint = self.load_checkpoint(filename, map_location)
        meta, name = checkpoint['meta'], Path(filename).name
        old, new = checkpoint_classes(checkpoint), self.model_classes
        if old and new and old != new:
            raise ValueError(f'{filename} was trained on the classes {", ".join(old)}; the config has {", ".join(new)}')
        if hasattr(self.train_loop, 'restore'):
            self.train_loop.restore(meta, name)
        elif meta.get('batch', 0):
            raise ValueError(
                f'{name} was saved within an epoch, where {type(self.train_loop).__name__} cannot continue'
            )
        else:
            self.train_loop._epoch, self.train_loop._iter = meta['epoch'], meta['iter']
        by_iter = isinstance(self.train_loop, IterBasedTrainLoop)
        done = self.iter >= self.max_iters if by_iter else self.epoch >= self.max_epochs
        saved = checkpoint.get('param_schedulers')
        if self.param_schedulers is not None:
            self.param_schedulers = self.build_param_scheduler(self.param_schedulers)
        if not done:
            check_schedules(self.param_schedulers, saved, name)
        self.optim_wrapper = self.build_optim_wrapper(self.optim_wrapper)
        kind = meta.get('optimizer_type') or (meta.get('optimizer') or {}).get('')  # which 0.2 wrote
        check_optimizer(self.optim_wrapper, checkpoint['optimizer'], kind, name)
        self.optim_wrapper.load_state_dict(checkpoint['optimizer'])
        restore_schedules(self.param_schedulers, saved)
        self._restore_hub(checkpoint['message_hub'])
        restore_rank_state(self, checkpoint.get('rank_states'))
        self._has_loaded = True
        self.logger.info(f'Continued from {filename}: {self.epoch} epochs, {self.iter} iterations done')
        if done:
            self.logger.info('All iterations of this training are done; a larger train_cfg.max_epochs would prolong it')

    def _restore_hub(self, state: dict) -> None:
        own = {key: self.message_hub.get_info(key) for key in ('cfg', 'experiment_name', 'mmengine_version', 'seed')}
        self.message_hub.load_state_dict(state)
        self.message_hub.update_info_dict(own)
        for hook in self.hooks:
            if isinstance(hook, EarlyStoppingHook) and f'val/{hook.monitor}' in self.message_hub.log_scalars:
                for score in self.message_hub.get_scalar(f'val/{hook.monitor}').data[0]:  # what it saw before
                    self.train_loop.stop_training |= hook._check_stop_condition(float(score))[0]
