from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import MMDistributedDataParallel, is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from mmfer.registry import HOOKS

from ..optim_wrappers import SAMOptimWrapper
from ..processes import unwrapped


@HOOKS.register_module()
class SAMHook(Hook):
    """Lets :class:`SAMOptimWrapper` run the model a second time on each batch.

    The data preprocessor runs once a batch, so augmentation that it does at random is the same in both passes; all
    noise inside the model is new. Under DistributedDataParallel the second pass goes through the wrapper as well, so
    that its gradients are synchronised. Beside another optimizer wrapper the hook does nothing.
    """

    def __init__(self) -> None:
        self._handle = None

    def before_train(self, runner: Runner) -> None:
        """
        Raises:
            TypeError: If the model is sharded or wrapped otherwise, where the norm of the gradient is not known.
        """
        if not isinstance(runner.optim_wrapper, SAMOptimWrapper):
            return
        model = runner.model
        if is_model_wrapper(model) and not isinstance(model, MMDistributedDataParallel):
            raise TypeError(
                f'SAMOptimWrapper works with plain models and MMDistributedDataParallel, not with '
                f'{type(model).__name__}: use another optim_wrapper, or remove model_wrapper_cfg'
            )
        if not hasattr(unwrapped(model), 'data_preprocessor'):
            raise TypeError(f"SAMHook needs a model on MMEngine's BaseModel, not {type(unwrapped(model)).__name__}")
        runner.optim_wrapper.deferred = True

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        wrapper = runner.optim_wrapper
        if not isinstance(wrapper, SAMOptimWrapper) or not wrapper.needs_second_pass:
            return
        model = runner.model
        batches: list = []  # filled by the first pass
        self._release()
        self._handle = unwrapped(model).data_preprocessor.register_forward_hook(
            lambda module, inputs, output: batches.append(output)
        )
        wrapper.set_closure(lambda: _loss(model, batches), model)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """
        Raises:
            FloatingPointError: If the wrapper refused the step. GuardHook comes first and has the details.
        """
        self._release()
        if getattr(runner.optim_wrapper, 'failure', ''):
            raise FloatingPointError(runner.optim_wrapper.failure)

    def after_train(self, runner: Runner) -> None:
        self._release()

    def _release(self) -> None:
        if self._handle is not None:
            self._handle.remove()
            self._handle = None


def _loss(model: nn.Module, batches: list) -> Tensor:
    if len(batches) != 1:
        raise RuntimeError(
            f'the data preprocessor ran {len(batches)} times in the first pass, SAM knows how to repeat one: does the '
            'model have a train_step of its own?'
        )
    return unwrapped(model).parse_losses(model._run_forward(batches[0], mode='loss'))[0]
