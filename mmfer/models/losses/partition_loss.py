from __future__ import annotations

import torch
from torch import Tensor, nn

from mmfer.registry import MODELS

from .functional import at_least_single


@MODELS.register_module()
class PartitionLoss(nn.Module):
    r"""Partition loss of DAN: attention heads are to differ.

    Paper: Distract Your Attention: Multi-head Cross Attention Network for Facial Expression Recognition,
    https://arxiv.org/abs/2109.07270

    .. math::
        L = \lambda \log\left(1 + \frac{N}{\overline{\sigma^2}}\right)

    :math:`\overline{\sigma^2}` is the variance over the N heads (divided by N - 1), averaged over images and channels.
    For one head L is 0.

    Args:
        loss_weight: :math:`\lambda`.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        if loss_weight < 0:
            raise ValueError(f'loss_weight={loss_weight}: must not be negative')
        self.loss_weight = loss_weight

    def forward(self, heads: Tensor) -> Tensor:
        """Scalar loss of the heads' features (B, N, C)."""
        heads = at_least_single(heads)
        num = heads.shape[1]
        if num == 1:
            return 0 * heads.sum()
        return self.loss_weight * torch.log1p(num / (heads.var(1).mean() + 1e-12))
