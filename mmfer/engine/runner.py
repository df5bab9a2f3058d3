from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import broadcast_object_list, get_rank
from mmengine.logging import MMLogger
from mmengine.model import MMDistributedDataParallel, is_model_wrapper
from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from mmengine.runner.base_loop import BaseLoop
from torch import distributed as torch_dist
from torch import nn
from torch.utils.data import DataLoader

from mmfer.datasets.collate import stack_images
from mmfer.models.layers import pretrained_file
from mmfer.models.released.weights import check_pretrained_file
from mmfer.registry import RUNNERS
from mmfer.utils.checkpoint import write_text
from mmfer.utils.folder_lock import sole_run

from .class_names import check_num_classes, classes_of, same_names
from .compiling import compile_features
from .hooks.checkpoint_hook import SafeCheckpointHook
from .hooks.guard_hook import GuardHook, check_loader
from .hooks.interrupt_hook import InterruptHook
from .hooks.provenance_hook import ProvenanceHook
from .hooks.sam_hook import SAMHook
from .hooks.seed_hook import SeedHook
from .loops import FERIterTrainLoop, FERTestLoop, FERTrainLoop, FERValLoop
from .process_group import leave_group_at_exit, orderly
from .recompute import recompute_activations
from .resumable_runner import ResumableRunner
from .schedules import check_lengths
from .seeding import mix, seeded_loader
from .worker_watch import explained_worker_deaths

# Hooks that every runner has, whatever the config says.
ALWAYS = (SeedHook, SAMHook, GuardHook, ProvenanceHook, InterruptHook)
_STAMPS: set = set()  # of the runs of this process
LOOP_OF = {EpochBasedTrainLoop: FERTrainLoop, IterBasedTrainLoop: FERIterTrainLoop}


@RUNNERS.register_module()
class FERRunner(ResumableRunner):
    """MMEngine's runner with what it lacks for FER work.

    - ``channels_last=True`` in the config stores the weights in that memory format, which is faster for convolutions.
    - ``compile=True`` trains with a compiled backbone and neck (see ``mmfer.engine.compiling``).
    - ``recompute=[NAME, ...]`` trains with less memory (see ``mmfer.engine.recompute``).
    - Distributed training also runs on the CPU (gloo).
    - A training that was stopped, anywhere, ends as if it had not been (see :class:`ResumableRunner`).
    - Samples and iterations are seeded by their place (see ``mmfer.engine.seeding``).
    - The hooks of ``ALWAYS`` are there, whatever the config says.
    - Testing a checkpoint that does not fit the config is an error; MMEngine warns and tests random weights.
    - Everything a training needs from disk is looked for before the first step, and all that is missing is reported
      at once.
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
            leave_group_at_exit()
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
        recompute_activations(model, self.cfg.get('recompute', None) or ())
        compile_features(model, self.cfg.get('compile'))
        if self.distributed and model_wrapper_cfg is None and not torch.cuda.is_available():
            return MMDistributedDataParallel(module=model, device_ids=None, broadcast_buffers=False)
        return super().wrap_model(model_wrapper_cfg, model)

    def _maybe_compile(self, target: str) -> None:
        """MMEngine would compile whole steps; ``wrap_model`` has done what ``compile`` asks for."""
        if target == 'train_step' and self.cfg.get('compile') not in (None, False):
            self.logger.info('compile: the first step compiles backbone and neck, which takes a minute or two')

    @staticmethod
    def build_dataloader(
        dataloader: DataLoader | dict, seed: int | None = None, diff_rank_seed: bool = False
    ) -> DataLoader:
        """MMEngine's, with the samples seeded by ``seed`` and their place (see ``mmfer.engine.seeding``).

        Unless the config says otherwise, batches are stacked where they are loaded (``stack_images``), and lie in
        pinned memory where there is a GPU.
        """
        if isinstance(dataloader, dict):
            loading = dict(collate_fn=dict(type=stack_images), pin_memory=torch.cuda.is_available())
            dataloader = dict(loading, **dataloader)
        if seed is None:
            return Runner.build_dataloader(dataloader)
        base = seed - get_rank() if diff_rank_seed else seed
        loader = Runner.build_dataloader(dataloader, seed=mix(base) >> 33)  # one that all processes share
        return seeded_loader(loader, base, get_rank())

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        if isinstance(self._train_dataloader, DataLoader):
            self._train_dataloader = seeded_loader(self._train_dataloader, self.base_seed, self.rank)
        if isinstance(loop, dict):
            loop = dict(loop)
            if 'by_epoch' in loop and 'type' not in loop:
                loop['type'] = EpochBasedTrainLoop if loop.pop('by_epoch') else IterBasedTrainLoop
            kind = loop.get('type')
            kind = LOOPS.get(kind) if isinstance(kind, str) else kind
            loop['type'] = LOOP_OF.get(kind, loop.get('type'))
        return super().build_train_loop(loop)

    def build_param_scheduler(self, scheduler: list | dict) -> list | dict:
        """MMEngine's, with an error if schedules and training do not end together."""
        try:
            built = super().build_param_scheduler(scheduler)
        except ValueError as error:  # such as an end before the begin
            raise ValueError(f'param_scheduler: {error}') from error
        check_lengths(built, self)
        return built

    def register_default_hooks(self, hooks: dict | None = None) -> None:
        super().register_default_hooks(dict(dict(checkpoint=dict(type=SafeCheckpointHook)), **(hooks or {})))

    def register_hooks(self, default_hooks: dict | None = None, custom_hooks: list | None = None) -> None:
        super().register_hooks(default_hooks, custom_hooks)
        for kind in ALWAYS:
            if not any(isinstance(hook, kind) for hook in self.hooks):
                self.register_hook(kind())

    def _log_env(self, env_cfg: dict) -> None:
        """Nothing: ProvenanceHook logs what a result can be traced by."""

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

    def train(self) -> nn.Module:
        with self._sole_training():
            self._write_config(self.work_dir)
            self._find_start()
            self._check_sources()
            try:
                with orderly(), explained_worker_deaths():
                    return super().train()
            finally:  # after an error, too, signals are handled as before
                for hook in self.hooks:
                    if isinstance(hook, InterruptHook):
                        hook.restore()

    @contextmanager
    def _sole_training(self) -> Iterator[None]:
        """Keep the work dir to this training; its first process does, for all of them."""
        refused: list = [None]
        with ExitStack() as lock:
            if self.rank == 0:
                try:
                    lock.enter_context(sole_run(Path(self.work_dir, 'training.lock'), self.logger.warning))
                except (OSError, ValueError) as error:
                    if self.world_size == 1:
                        raise
                    refused = [str(error)]
            broadcast_object_list(refused)
            if refused[0] is not None:
                raise ValueError(refused[0])
            yield

    def build_test_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        self._strict, self._resume = True, False
        loop = super().build_test_loop(loop)
        self._check_loop(loop, 'test')
        return loop

    def test(self) -> dict:
        self._write_config(self._log_dir)
        with orderly(), explained_worker_deaths():
            return super().test()

    def val(self) -> dict:
        self._write_config(self._log_dir)
        self._strict, self._resume = True, False
        if self._val_loop is not None:
            self._val_loop = self.build_val_loop(self._val_loop)
            self._check_loop(self._val_loop, 'val')
        with orderly(), explained_worker_deaths():
            return super().val()

    def _check_classes(self, dataset: object, source: str) -> None:
        check_num_classes(self.model, classes_of(dataset), source, dataset)

    def _check_loop(self, loop: BaseLoop, part: str) -> None:
        """Refuse to compare labels by index, as other loops than mmfer's do, where that would be wrong."""
        model, data = self.model_classes, classes_of(loop.dataloader.dataset)
        if not isinstance(loop, (FERValLoop, FERTestLoop)) and model and data and not same_names(model, data):
            raise ValueError(
                f'{part}_dataloader has the classes {", ".join(data)}, the model {", ".join(model)}, and '
                f'{type(loop).__name__} compares them by index. '
                f'Set {part}_cfg=dict(type=FER{part.capitalize()}Loop), which matches them by name.'
            )

    def _check_sources(self) -> None:
        problems = []
        model = self.model.module if is_model_wrapper(self.model) else self.model
        for name, module in model.named_modules() if self._content is None else ():
            path = pretrained_file(module)
            if path is not None and '://' not in path:
                try:
                    check_pretrained_file(module, path)
                except FileNotFoundError as error:
                    problems.append(f'model.{name}: {error}')
        try:
            self._train_loop = self.build_train_loop(self._train_loop)
            check_loader(self._train_loop.dataloader)
            self._check_classes(self._train_loop.dataloader.dataset, 'the training data')
            if self._val_loop is not None:
                self._val_loop = self.build_val_loop(self._val_loop)
                self._check_loop(self._val_loop, 'val')
        except FileNotFoundError as error:
            problems.insert(0, str(error))
        if problems:
            raise FileNotFoundError('\n\n'.join(problems))
