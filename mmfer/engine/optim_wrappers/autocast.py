from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.optim import Optimizer

from mmfer.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """An optimizer with mixed precision on any device; MMEngine's AmpOptimWrapper wants a GPU.

    The forward pass runs under ``torch.autocast`` on the device of the optimizer's parameters. Weights, gradients and
    the optimizer's state stay in full precision.

    Args:
        optimizer: The optimizer that makes the steps.
        dtype: ``None`` (full precision), ``'bfloat16'`` or ``'float16'``.
        loss_scale: For ``'float16'`` alone, whose small gradients would vanish unscaled: ``'dynamic'``, a fixed number,
            or a dict of arguments of torch's ``GradScaler``. A step whose gradients overflow is left out.
        accumulative_counts: Iterations whose gradients make one step.
        clip_grad: Arguments of ``torch.nn.utils.clip_grad_norm_``, or with ``type='value'`` of ``clip_grad_value_``.
            Gradients are unscaled first.

    Raises:
        ValueError: If an argument is out of range, or ``'float16'`` is not supported on the device.
    """

    dtypes = {None: None, 'bfloat16': torch.bfloat16, 'float16': torch.float16}

    def __init__(
        self,
        optimizer: Optimizer,
        dtype: str | None = None,
        loss_scale: str | float | dict = 'dynamic',
        accumulative_counts: int = 1,
        clip_grad: dict | None = None,
    ) -> None:
        if dtype not in self.dtypes:
            raise ValueError(f"dtype={dtype!r}: None (full precision), 'bfloat16' or 'float16'")
        if not isinstance(accumulative_counts, int) or accumulative_counts < 1:
            raise ValueError(f'accumulative_counts={accumulative_counts!r}: a number of iterations, 1 or more')
        if clip_grad is not None and not (isinstance(clip_grad, dict) and set(clip_grad) - {'type'}):
            raise ValueError(f'clip_grad={clip_grad!r}: None or a dict such as dict(max_norm=5.0)')
        # MMEngine takes items out of the dict, which belongs to the config
        super().__init__(optimizer, accumulative_counts, None if clip_grad is None else dict(clip_grad))
        self.cast_dtype = self.dtypes[dtype]
        self.loss_scaler = None
        self._fixed_scale = None
        options = self._scaler_options(loss_scale)
        if dtype == 'float16':
            self.loss_scaler = _build_scaler(self.device_type, options)
        elif loss_scale != 'dynamic':
            raise ValueError(
                f"loss_scale={loss_scale!r} is for dtype='float16'; here dtype={dtype!r}, which needs none"
            )

    def _scaler_options(self, loss_scale: str | float | dict) -> dict:
        if isinstance(loss_scale, dict):
            if 'enabled' in loss_scale:
                raise ValueError(f"loss_scale={loss_scale!r}: to do without loss scaling choose dtype='bfloat16'")
            return dict(loss_scale)
        if loss_scale == 'dynamic':
            return {}
        if isinstance(loss_scale, bool) or not isinstance(loss_scale, (int, float)) or not loss_scale > 0:
            raise ValueError(
                f"loss_scale={loss_scale!r}: 'dynamic', a positive number, or a dict of arguments of GradScaler"
            )
        self._fixed_scale = float(loss_scale)
        return dict(init_scale=self._fixed_scale)

    @property
    def device_type(self) -> str:
        """Type of the device that the optimizer's parameters are on."""
        return next(p for group in self.param_groups for p in group['params']).device.type

    def autocast(self) -> AbstractContextManager:
        """The context of a forward pass in this wrapper's precision."""
        if self.cast_dtype is None:
            return nullcontext()
        return torch.autocast(self.device_type, dtype=self.cast_dtype)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        with super().optim_context(model), self.autocast():
            yield

    def scaled(self, loss: Tensor) -> Tensor:
        """``loss`` times the loss scale, where there is one."""
        return loss if self.loss_scaler is None else self.loss_scaler.scale(loss)

    def backward(self, loss: Tensor, **kwargs) -> None:
        super().backward(self.scaled(loss), **kwargs)

    def step(self, **kwargs) -> None:
        self.finish_gradients()
        if self.loss_scaler is None:
            self.optimizer.step(**kwargs)
        else:
            self.loss_scaler.step(self.optimizer, **kwargs)
            self.loss_scaler.update(self._fixed_scale)

    def finish_gradients(self) -> None:
        """Unscale and clip the gradients, just before the optimizer uses them."""
        if self.loss_scaler is not None:
            self.loss_scaler.unscale_(self.optimizer)
        if self.clip_grad_kwargs:
            self._clip_grad()

    def state_dict(self) -> dict:
        """The optimizer's state, and ``loss_scaler``: plain numbers."""
        state = super().state_dict()
        if self.loss_scaler is not None:
            state['loss_scaler'] = self.loss_scaler.state_dict()
        return state

    def load_state_dict(self, state_dict: dict) -> None:
        """Continue from ``state_dict``, which may come from another precision: then the loss scale starts anew."""
        state = dict(state_dict)
        scaler = state.pop('loss_scaler', None)
        super().load_state_dict(state)
        if self.loss_scaler is not None and scaler:
            self.loss_scaler.load_state_dict(scaler)


def _build_scaler(device_type: str, options: dict):
    if hasattr(torch.amp, 'GradScaler'):  # from torch 2.3 on, for every device

        def build(**options):
            return torch.amp.GradScaler(device_type, **options)
    elif device_type == 'cuda':
        build = torch.cuda.amp.GradScaler
    else:
        raise ValueError(
            f"dtype='float16' on {device_type} needs torch 2.3 or newer, {torch.__version__} is installed: use "
            "dtype='bfloat16', which needs no loss scale"
        )
    try:
        return build(**options)
    except (TypeError, AssertionError) as error:
        raise ValueError(f'loss_scale={options}: {error}') from None
