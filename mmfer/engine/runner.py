from __future__ import annotations

import atexit
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import MMLogger
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OneCycleParamScheduler
from mmengine.runner.base_loop import BaseLoop
from torch import distributed as torch_dist
from torch import nn

from mmfer.models import TeacherPreprocessor
from mmfer.models.layers import pretrained_file
from mmfer.models.released.weights import check_pretrained_file
from mmfer.registry import RUNNERS
from mmfer.utils.errors import TrainingError
from mmfer.utils.files import write_text
from mmfer.utils.folder_lock import sole_run

from .activation_checkpointing import checkpoint_activations
from .class_names import check_num_classes, classes_of, same_names
from .compiling import compile_features
from .loops import FERTestLoop, FERValLoop, check_loader
from .processes import by_first, unwrapped
from .resume.interrupt_hook import InterruptHook
from .resume.runner import ResumableRunner
from .resume.seeding import data_of
from .schedules import check_lengths

_STAMPS: set = set()  # of the runs of this process
OWN_DEFAULTS = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')  # MMEngine's


def leave_group() -> None:
    """Leave the process group before the interpreter ends.

    A thread of gloo that still releases its last work when the interpreter is gone aborts a process that has done all
    it should ("terminate called without an active exception").
    """
    if torch_dist.is_initialized():
        time.sleep(0.2)  # lets that thread have the interpreter; wrapped models keep it alive beyond the next line
        torch_dist.destroy_process_group()


@RUNNERS.register_module()
class FERRunner(ResumableRunner):
    """MMEngine's runner with what it lacks for FER work. It runs the loops, samplers and hooks that the config names.

    - ``channels_last=True`` in the config stores the weights in that memory format, which is faster for convolutions.
    - ``compile=True`` trains with a compiled backbone and neck (see ``mmfer.engine.compiling``).
    - ``checkpoint_activations=[NAME, ...]`` trains with less memory (see ``mmfer.engine.activation_checkpointing``).
    - ``default_hooks.NAME=None`` leaves out any of the hooks, not just MMEngine's.
    - Distributed training also runs on the CPU (gloo).
    - Checkpoints are plain data, written atomically, and trainings continue from them (see :class:`ResumableRunner`).
    - Testing a checkpoint that does not fit the config is an error; MMEngine warns and tests random weights.
    - Everything a training needs from disk is looked for before the first step, and all that is missing is reported
      at once. Classes and schedules are checked, and the work dir is kept to one training.
    """

    def setup_env(self, env_cfg: dict) -> None:
        if self.distributed and not torch.cuda.is_available() and not torch_dist.is_initialized():
            if self.launcher == 'slurm':
                names = dict(RANK='SLURM_PROCID', WORLD_SIZE='SLURM_NTASKS', LOCAL_RANK='SLURM_LOCALID')
                os.environ.update({name: os.environ[source] for name, source in names.items()})
                os.environ.setdefault('MASTER_ADDR', '127.0.0.1')  # one node; several need the first one's name
                os.environ.setdefault('MASTER_PORT', '29500')
            torch_dist.init_process_group('gloo')
        super().setup_env(env_cfg)
        if self.distributed:
            atexit.unregister(leave_group)
            atexit.register(leave_group)
        # MMEngine names logs and the message hub, which holds the best score, by the second in which a run begins.
        stamp, number = self._timestamp, 1
        while self._timestamp in _STAMPS:
            number += 1
            self._timestamp = f'{stamp}_{number}'
        _STAMPS.add(self._timestamp)

    def build_logger(self, log_level: int | str = 'INFO', log_file: str | None = None, **kwargs: Any) -> MMLogger:
        """MMEngine's, with a file in UTF-8: the encoding of the system may lack characters that tables have."""
        kwargs.setdefault('file_handler_cfg', dict(type='RotatingFileHandler', encoding='utf-8'))  # it never rotates
        return super().build_logger(log_level, log_file, **kwargs)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        if self.cfg.get('channels_last', False):
            model = model.to(memory_format=torch.channels_last)
        checkpoint_activations(model, self.cfg.get('checkpoint_activations', None) or ())
        compile_features(model, self.cfg.get('compile'))
        if self.distributed and model_wrapper_cfg is None and not torch.cuda.is_available():
            return MMDistributedDataParallel(module=model, device_ids=None, broadcast_buffers=False)
        return super().wrap_model(model_wrapper_cfg, model)

    def _maybe_compile(self, target: str) -> None:
        """MMEngine would compile whole steps; ``wrap_model`` has done what ``compile`` asks for."""
        if target == 'train_step' and self.cfg.get('compile') not in (None, False):
            self.logger.info('compile: the first step compiles backbone and neck, which takes a minute or two')

    def build_param_scheduler(self, scheduler: list | dict) -> list:
        """MMEngine's, with an error if schedules and training do not end together, or OneCycleLR makes rates equal."""
        rates = {group['lr'] for group in self.optim_wrapper.param_groups}
        try:
            built = super().build_param_scheduler(scheduler)
        except ValueError as error:  # such as an end before the begin
            raise ValueError(f'param_scheduler: {error}') from error
        except ZeroDivisionError as error:
            raise ValueError(
                f'param_scheduler: OneCycleLR would rise in a single one of the {self.max_iters} iterations. Train for '
                'more epochs, or with smaller batches.'
            ) from error
        scaled = len(rates) > 1 or (self.auto_scale_lr or {}).get('enable', False)
        if scaled and any(isinstance(each, OneCycleParamScheduler) for each in built):
            raise ValueError(
                'param_scheduler: OneCycleLR gives all parameters the rate eta_max, so that lr_mult of '
                'optim_wrapper.paramwise_cfg and auto_scale_lr would not count. Take LinearLR and CosineAnnealingLR.'
            )
        check_lengths(built, self)
        return built

    def register_default_hooks(self, hooks: dict | None = None) -> None:
        kept = {name: hook for name, hook in (hooks or {}).items() if hook is not None or name in OWN_DEFAULTS}
        super().register_default_hooks(kept)

    def _log_env(self, env_cfg: dict) -> None:
        if 'record' not in (self.cfg.get('default_hooks') or {}):  # else RecordHook logs what matters of it
            super()._log_env(env_cfg)

    def dump_config(self) -> None:
        """Not before the run begins: the work dir may be that of a training that is at work."""

    def _write_config(self, folder: str) -> None:
        path = Path(folder, Path(self.cfg.filename).name if self.cfg.filename else f'{self.timestamp}.py')
        if self.rank == 0:
            write_text(path, self._config_text)
        self.logger.info(f'Config: {path}')

    def get_hooks_info(self) -> str:
        """The hooks in one line; MMEngine's table of every stage fills two screens."""
        return ', '.join(type(hook).__name__ for hook in self.hooks)

    def set_randomness(self, seed: int, diff_rank_seed: bool = False, deterministic: bool = False) -> None:
        if deterministic:  # PyTorch asks for it on GPUs, and cuBLAS reads it once
            os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
        super().set_randomness(seed, diff_rank_seed, deterministic)

    # ---- running --------------------------------------------------------------------------------------------------
    def train(self) -> nn.Module:
        with self._sole_training():
            self._write_config(self.work_dir)
            self._find_start()
            self._check_sources()
            with self._running():
                return super().train()

    def val(self) -> dict:
        self._write_config(self._log_dir)
        self._begin_evaluation()
        if self._val_loop is not None:
            self._val_loop = self.build_val_loop(self._val_loop)
            self._check_loop(self._val_loop, 'val')
        with self._running():
            return super().val()

    def test(self) -> dict:
        self._write_config(self._log_dir)
        with self._running():
            return super().test()

    def _begin_evaluation(self) -> None:
        """What a training would continue is tested, in the place of ``load_from``."""
        self._find_start()
        if self._resume and self._content is not None:
            self._load_from = self._content[0]
        self._strict, self._resume = True, False

    @contextmanager
    def _running(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            atexit.unregister(leave_group)
            if 'DataLoader worker (pid' not in str(error):
                raise
            raise TrainingError(
                f'a data loading worker died ({error}). The usual cause is memory: take fewer workers (num_workers of '
                'the data loader) or less prefetching (prefetch_factor), or in a container more shared memory (docker '
                'run --shm-size=8g). The run continues from its last checkpoint with --resume. '
                '(mmfer explain worker-died)'
            ) from error
        except (Exception, KeyboardInterrupt):
            atexit.unregister(leave_group)  # another process may be waiting in the group, so that this could hang
            raise
        finally:  # after an error, too, signals are handled as before
            for hook in self.hooks:
                if isinstance(hook, InterruptHook):
                    hook.restore()

    @contextmanager
    def _sole_training(self) -> Iterator[None]:
        """Keep the work dir to this training; its first process does, for all of them."""
        with ExitStack() as lock:
            by_first(self, lambda: lock.enter_context(sole_run(Path(self.work_dir, 'training.lock'))))
            yield

    # ---- checks before the first step -----------------------------------------------------------------------------
    def build_test_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        self._begin_evaluation()
        loop = super().build_test_loop(loop)
        self._check_loop(loop, 'test')
        return loop

    def _check_loop(self, loop: BaseLoop, part: str) -> None:
        """Refuse an empty loader, and a comparison of labels by index, as of other loops, where that would be wrong."""
        check_loader(loop.dataloader, f'{part}_dataloader')
        model, data = self.model_classes, classes_of(data_of(loop.dataloader))
        if not isinstance(loop, (FERValLoop, FERTestLoop)) and model and data and not same_names(model, data):
            raise ValueError(
                f'{part}_dataloader has the classes {", ".join(data)}, the model {", ".join(model)}, and '
                f'{type(loop).__name__} compares them by index. '
                f'Set {part}_cfg=dict(type=FER{part.capitalize()}Loop), which matches them by name.'
            )

    def _check_sources(self) -> None:
        problems = []
        model = unwrapped(self.model)
        for name, module in model.named_modules() if self._content is None else ():
            path = pretrained_file(module)
            if path is not None and '://' not in path:
                try:
                    check_pretrained_file(module, path)
                except FileNotFoundError as error:
                    problems.append(f'model.{name}: {error}')
        try:
            self._train_loop = self.build_train_loop(self._train_loop)
            check_loader(self._train_loop.dataloader, 'train_dataloader')
            dataset = data_of(self._train_loop.dataloader)
            check_num_classes(self.model, classes_of(dataset), 'the training data', dataset)
            if isinstance(model.data_preprocessor, TeacherPreprocessor):
                model.data_preprocessor.match_classes(classes_of(dataset))
            if self._val_loop is not None:
                self._val_loop = self.build_val_loop(self._val_loop)
                self._check_loop(self._val_loop, 'val')
        except FileNotFoundError as error:
            problems.insert(0, str(error))
        if problems:
            raise FileNotFoundError('\n\n'.join(problems))
