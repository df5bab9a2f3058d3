from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.model import MMDistributedDataParallel, is_model_wrapper
from mmengine.runner import Runner
from mmengine.runner.checkpoint import _load_checkpoint_to_model
from torch import distributed as torch_dist
from torch import nn

from mmfer.models.layers import pretrained_file
from mmfer.registry import RUNNERS
from mmfer.utils import find_state_dict
from mmfer.utils.checkpoint import load_checkpoint, replace_synced, restore_message_hub, to_plain
from mmfer.utils.released_weights import check_pretrained_file, fill


@RUNNERS.register_module()
class FERRunner(Runner):
    """MMEngine's runner with what it lacks for FER work.

    - ``channels_last=True`` in the config stores the weights in that memory format, which is faster for convolutions.
    - Distributed training also runs on the CPU (gloo).
    - Checkpoints hold nothing but tensors, numbers and strings, are written atomically and read with
      ``weights_only=True``.
    - Testing a checkpoint that does not fit the config is an error; MMEngine warns and tests random weights.
    - Everything a training needs from disk is looked for before the first step, and all that is missing is reported
      at once.
    """

    _strict = False

    def setup_env(self, env_cfg: dict) -> None:
        if self.distributed and not torch.cuda.is_available() and not torch_dist.is_initialized():
            if self.launcher == 'slurm':
                names = dict(RANK='SLURM_PROCID', WORLD_SIZE='SLURM_NTASKS', LOCAL_RANK='SLURM_LOCALID')
                os.environ.update({name: os.environ[source] for name, source in names.items()})
                os.environ.setdefault('MASTER_ADDR', '127.0.0.1')  # one node; several need the first one's name
                os.environ.setdefault('MASTER_PORT', '29500')
            torch_dist.init_process_group('gloo')
        super().setup_env(env_cfg)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        if self.cfg.get('channels_last', False):
            model = model.to(memory_format=torch.channels_last)
        if self.distributed and model_wrapper_cfg is None and not torch.cuda.is_available():
            return MMDistributedDataParallel(module=model, device_ids=None, broadcast_buffers=False)
        return super().wrap_model(model_wrapper_cfg, model)

    def train(self) -> nn.Module:
        self._check_sources()
        return super().train()

    def _check_sources(self) -> None:
        problems = []
        model = self.model.module if is_model_wrapper(self.model) else self.model
        for name, module in model.named_modules():
            path = pretrained_file(module)
            if path is not None and '://' not in path:
                try:
                    check_pretrained_file(module, path)
                except FileNotFoundError as error:
                    problems.append(f'model.{name}: {error}')
        try:
            self._train_loop = self.build_train_loop(self._train_loop)
            if self._val_loop is not None:
                self._val_loop = self.build_val_loop(self._val_loop)
        except FileNotFoundError as error:
            problems.insert(0, str(error))
        if problems:
            raise FileNotFoundError('\n\n'.join(problems))

    def test(self) -> dict:
        self._strict = True
        return super().test()

    def val(self) -> dict:
        self._strict = True
        return super().val()

    def call_hook(self, fn_name: str, **kwargs) -> None:
        super().call_hook(fn_name, **kwargs)
        if fn_name == 'before_save_checkpoint':
            kwargs['checkpoint'].update(to_plain(kwargs['checkpoint']))

    def save_checkpoint(self, out_dir: str, filename: str, *args, **kwargs) -> None:
        part = Path(out_dir) / f'.{filename}.part'
        try:
            super().save_checkpoint(out_dir, part.name, *args, **kwargs)
            if self.rank == 0:
                replace_synced(part, Path(out_dir) / filename)
        finally:
            if self.rank == 0:
                part.unlink(missing_ok=True)

    def load_checkpoint(
        self,
        filename: str,
        map_location: str | Callable = 'cpu',
        strict: bool = False,
        revise_keys: list = [(r'^module.', '')],  # noqa: B006 (the signature of MMEngine)
    ) -> dict:
        checkpoint = load_checkpoint(filename, map_location)
        if 'message_hub' in checkpoint:
            checkpoint['message_hub'] = restore_message_hub(checkpoint['message_hub'])
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        model = self.model.module if is_model_wrapper(self.model) else self.model
        if strict or self._strict or self._resume:
            fill(model, find_state_dict(checkpoint), filename)
        else:  # fine-tuning may start from a model with another head: MMEngine's warnings say what is left out
            _load_checkpoint_to_model(model, checkpoint, revise_keys=revise_keys)
        self._has_loaded = True
        self.logger.info(f'Load checkpoint from {filename}')
        return checkpoint
