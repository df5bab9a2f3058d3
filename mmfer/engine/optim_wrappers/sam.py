from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim import Optimizer

from mmfer.registry import OPTIM_WRAPPERS

from .autocast import AutocastOptimWrapper


@OPTIM_WRAPPERS.register_module()
class SAMOptimWrapper(AutocastOptimWrapper):
    r"""Sharpness-Aware Minimization around any optimizer: the step follows the gradient at the worst point near by.

    Paper: Sharpness-Aware Minimization for Efficiently Improving Generalization, https://arxiv.org/abs/2010.01412;
    ``adaptive=True`` is ASAM, https://arxiv.org/abs/2102.11600

    A first backward pass gives the gradient :math:`g` of the batch's loss at the weights :math:`w`, a second one, on
    the same batch with new noise, the gradient at :math:`w + e`. The weights go back to :math:`w`, bit for bit, and the
    optimizer makes its step with the second gradient.

    .. math::
        e = \rho \frac{T^2 g}{\lVert T g \rVert_2 + 10^{-12}}, \quad
        T = 1 \text{, or } \operatorname{diag} |w| \text{ if adaptive}

    The second pass needs the batch: :class:`SAMHook` supplies it, which the default runtime names. Under
    DistributedDataParallel both passes synchronise their gradients, so all processes perturb alike. During the
    second pass one more copy of the weights is in memory.

    Logged: ``sharpness``, the loss of the second pass minus that of the first, and ``grad_norm`` of the gradient that
    the optimizer uses, before clipping. If the first loss is not finite the weights stay as they are and the guards
    report the loss.

    Args:
        optimizer: The optimizer that makes the steps.
        rho: Radius :math:`\rho` of the neighbourhood; the POSTER family uses 0.05. ASAM wants more, 0.5 or above.
        adaptive: Measure the neighbourhood relative to each weight (ASAM).
        interval: k: the steps 0, k, 2k, ... are SAM's, those between are plain steps of the optimizer.
        second_pass_bn: ``'update'``: the second pass, too, updates running statistics, as in the authors' code;
            ``'freeze'``: it leaves them alone. Either way it normalises by the statistics of the batch.
        dtype: Precision of both passes: None, ``'bfloat16'`` or ``'float16'``.
        loss_scale: As in :class:`AutocastOptimWrapper`. A step in which either gradient overflows is left out.
        accumulative_counts: 1; a perturbation belongs to one batch.
        clip_grad: As in :class:`AutocastOptimWrapper`; acts on the second gradient.

    Attributes:
        deferred (bool): Keep the error about a step in ``failure``, for a hook that raises it where the processes of a
            distributed training meet, instead of raising it at once in one of them.
        failure (str): That error; empty where there is none.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        rho: float = 0.05,
        adaptive: bool = False,
        interval: int = 1,
        second_pass_bn: str = 'update',
        dtype: str | None = None,
        loss_scale: str | float | dict = 'dynamic',
        accumulative_counts: int = 1,
        clip_grad: dict | None = None,
    ) -> None:
        if isinstance(rho, bool) or not isinstance(rho, (int, float)) or not 0 < rho < math.inf:
            raise ValueError(f'rho={rho!r}: a positive number')
        if not isinstance(adaptive, bool):
            raise ValueError(f'adaptive={adaptive!r}: True (ASAM) or False')
        if isinstance(interval, bool) or not isinstance(interval, int) or interval < 1:
            raise ValueError(f'interval={interval!r}: a number of steps, 1 or more')
        if second_pass_bn not in ('update', 'freeze'):
            raise ValueError(f"second_pass_bn={second_pass_bn!r}: 'update' or 'freeze'")
        if accumulative_counts != 1:
            raise ValueError(
                f'accumulative_counts={accumulative_counts!r}: SAM perturbs the weights for one batch and cannot '
                'accumulate gradients over several; leave it at 1 and use a larger batch_size'
            )
        super().__init__(optimizer, dtype, loss_scale, accumulative_counts, clip_grad)
        self.rho = rho
        self.adaptive = adaptive
        self.interval = interval
        self.second_pass_bn = second_pass_bn
        self.deferred = False
        self.failure = ''
        self._steps = 0
        self._closure: Callable[[], Tensor] | None = None
        self._model: nn.Module | None = None

    @property
    def needs_second_pass(self) -> bool:
        """Whether the coming step is one of SAM's."""
        return self._steps % self.interval == 0

    def set_closure(self, closure: Callable[[], Tensor], model: nn.Module) -> None:
        """Supply the second pass of the coming step.

        Args:
            closure: Runs the model on the batch again and returns the loss.
            model: The model, whose normalisation layers ``second_pass_bn`` is about.
        """
        self._closure, self._model = closure, model

    def update_params(self, loss: Tensor, step_kwargs: dict | None = None, zero_kwargs: dict | None = None) -> None:
        """Make one step.

        Args:
            loss: Loss of the first pass.
            step_kwargs: Arguments of the optimizer's ``step``.
            zero_kwargs: Arguments of its ``zero_grad``.

        Raises:
            RuntimeError: If nobody supplied the second pass.
            FloatingPointError: If the second pass gives a loss or gradients that are not finite. The weights are those
                before the step.
        """
        sharp = self.needs_second_pass
        if sharp and self._closure is None:
            raise RuntimeError(
                'SAMOptimWrapper has to run the model a second time on each batch, but does not know the batch: train '
                'with dict(type=SAMHook) among the hooks of the config, or without a runner call set_closure() before '
                'every update_params()'
            )
        try:
            self.backward(loss)
            second = self._second_pass() if sharp else None
        finally:
            self._closure = self._model = None  # a closure serves one batch
        self._steps += 1
        try:
            if math.isfinite(loss.item()):
                if second is not None:
                    self._report(loss.item(), second.item())
                self.step(**(step_kwargs or {}))
            self.zero_grad(**(zero_kwargs or {}))
        except FloatingPointError as error:
            if not self.deferred:
                raise
            self.failure = str(error)

    def _second_pass(self) -> Tensor | None:
        """Replace the gradients by those at the perturbed weights and return the loss there.

        None, with the gradients as they are, where there are none, or where they overflowed in float16: then the scaler
        leaves the step out.
        """
        params = self._params_with_grad()
        if not params:
            return None
        scale = 1.0 if self.loss_scaler is None else self.loss_scaler.get_scale()
        with torch.no_grad():
            if self.adaptive:
                torch._foreach_mul_([p.grad for p in params], params)
            norm = _norm([p.grad for p in params]) / scale
            if self.loss_scaler is not None and not norm.isfinite():
                return None
        kept = [p.detach().clone() for p in params]
        try:
            self._perturb(params, self.rho / (norm + 1e-12) / scale)
            self.optimizer.zero_grad(set_to_none=True)
            torch.clear_autocast_cache()  # it may hold the weights before the perturbation
            frozen = self.second_pass_bn == 'freeze'
            with self.autocast(), _running_statistics_kept(self._model) if frozen else nullcontext():
                loss = self._closure()
            self.scaled(loss).backward()
        finally:
            with torch.no_grad():
                _copy_all(params, kept)
            torch.clear_autocast_cache()
        return loss.detach()

    def _params_with_grad(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group['params'] if p.grad is not None]

    @torch.no_grad()
    def _perturb(self, params: Sequence[Tensor], factor: Tensor) -> None:
        # The first gradients are not needed any more, so they become the perturbation: no further memory.
        grads = [p.grad for p in params]
        if self.adaptive:
            torch._foreach_mul_(grads, params)
        torch._foreach_mul_(grads, factor.to(grads[0]))
        torch._foreach_add_(params, grads)

    def _report(self, first: float, second: float) -> None:
        if not math.isfinite(second):
            raise FloatingPointError(
                f"the loss of SAM's second pass is {second}, that of the first is {first:.6g} (step {self._steps}). "
                f'The weights are those before the step. Lower rho ({self.rho}) or the learning rate'
            )
        self.message_hub.update_scalar('train/sharpness', second - first)

    def finish_gradients(self) -> None:
        if self.loss_scaler is not None:
            self.loss_scaler.unscale_(self.optimizer)
        params = self._params_with_grad()
        norm = float(_norm([p.grad for p in params]))
        if math.isfinite(norm):
            self.message_hub.update_scalar('train/grad_norm', norm)
        elif self.loss_scaler is None:  # otherwise the scaler leaves the step out
            raise FloatingPointError(
                f'the gradient of step {self._steps} has norm {norm}. The weights are those before the step. Lower the '
                'learning rate, or look at the last batch'
            )
        if self.clip_grad_kwargs:
            self.clip_func(params, **self.clip_grad_kwargs)

    def state_dict(self) -> dict:
        """The optimizer's state, that of the loss scaler, and ``sam_steps``: the steps made."""
        return dict(super().state_dict(), sam_steps=self._steps)

    def load_state_dict(self, state_dict: dict) -> None:
        """Continue from ``state_dict``; that of a run without SAM serves, too."""
        state = dict(state_dict)
        self._steps = int(state.pop('sam_steps', 0))
        super().load_state_dict(state)


def _norm(tensors: Sequence[Tensor]) -> Tensor:
    """L2 norm of all ``tensors`` together, a scalar in single precision or better."""
    if not tensors:
        return torch.zeros(())
    norms = torch._foreach_norm(tensors)
    dtype = reduce(torch.promote_types, {norm.dtype for norm in norms}, torch.float32)
    return torch.linalg.vector_norm(torch.stack([norm.to(dtype) for norm in norms]))


def _copy_all(targets: list[Tensor], sources: list[Tensor]) -> None:
    if hasattr(torch, '_foreach_copy_'):
        torch._foreach_copy_(targets, sources)
    else:
        for target, source in zip(targets, sources):
            target.copy_(source)


@contextmanager
def _running_statistics_kept(model: nn.Module) -> Iterator[None]:
    """Normalisation layers go on using the batch's statistics but do not record them."""
    layers = [m for m in model.modules() if isinstance(m, _NormBase) and m.training and m.track_running_stats]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True
