from __future__ import annotations

from mmengine.dist import all_reduce_params
from mmengine.hooks import EMAHook
from mmengine.hooks import SyncBuffersHook as _SyncBuffersHook
from mmengine.runner import Runner

from mmfer.registry import HOOKS


@HOOKS.register_module()
class SyncBuffersHook(_SyncBuffersHook):
    """MMEngine's SyncBuffersHook, for the averaged model of EMAHook as well, whose buffers checkpoints are tested with.

    At the end of an epoch, and else before a validation, buffers such as the running statistics of batch normalisation
    become the mean over the processes of a distributed training.
    """

    def before_val_epoch(self, runner: Runner) -> None:
        if not self.called_in_train:
            self._average(runner)
        super().before_val_epoch(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        self._average(runner)
        super().after_train_epoch(runner)

    def _average(self, runner: Runner) -> None:
        for hook in runner.hooks if self.distributed else ():
            if isinstance(hook, EMAHook):
                all_reduce_params(hook.ema_model.module.buffers(), op='mean')
