from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class _PReLU(torch.autograd.Function):
    """PReLU of maps whose gradient takes half the time of PyTorch's on a CPU."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.prelu(x, weight)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        grad = grad.to(x.dtype)  # autocast may have lowered the output
        above = torch.ops.aten.threshold_backward(grad, x, 0)
        below = grad - above
        return torch.addcmul(above, below, weight.view(1, -1, 1, 1)), below.mul_(x).sum((0, 2, 3))


class PReLU(nn.PReLU):
    """``nn.PReLU`` that trains faster on a CPU: ``(B, C, H, W) -> (B, C, H, W)``, with the same parameters and outputs.

    PyTorch's gradient takes two to three times as long as the five plain operations here, and 14 % of a training step
    of the tiny POSTER-Var. On other devices, in exports and compiled models it is ``nn.PReLU``.

    Args:
        num_parameters: C.
        init: Initial slope below 0.
    """

    def forward(self, x: Tensor) -> Tensor:
        plain = (
            x.ndim != 4
            or x.device.type != 'cpu'
            or x.dtype != self.weight.dtype
            or self.weight.numel() != x.shape[1]
            or not torch.is_grad_enabled()
            or torch.compiler.is_compiling()
        )
        return super().forward(x) if plain else _PReLU.apply(x, self.weight)
