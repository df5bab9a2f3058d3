from __future__ import annotations

import torch
from torch import Tensor, nn

from mmfer.registry import MODELS

from .functional import at_least_single, shares


@MODELS.register_module()
class AffinityLoss(nn.Module):
    r"""Affinity loss of DAN: features near the centre of their class, in relation to how far the centres lie apart.

    Paper: Distract Your Attention: Multi-head Cross Attention Network for Facial Expression Recognition,
    https://arxiv.org/abs/2109.07270

    .. math::
        L = \frac{\lambda}{B} \sum_b \sum_k t_{bk} \frac{\lVert x_b - c_k \rVert_2^2}{\sum_i \sigma_i^2}

    The centres :math:`c_k` are learned; :math:`\sigma_i^2` is their variance over the classes (divided by K - 1) in
    channel i. With a label t is one-hot.

    Args:
        num_classes: K.
        in_channels: C.
        loss_weight: :math:`\lambda`.

    Attributes:
        centers (Tensor): c (K, C), standard normal at first.
    """

    def __init__(self, num_classes: int, in_channels: int, loss_weight: float = 1.0) -> None:
        super().__init__()
        if loss_weight < 0:
            raise ValueError(f'loss_weight={loss_weight}: must not be negative')
        self.loss_weight = loss_weight
        self.centers = nn.Parameter(torch.randn(num_classes, in_channels))

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Scalar loss of features ``x`` (B, C) against labels (B,) or soft labels (B, K)."""
        distances = (at_least_single(x).unsqueeze(1) - self.centers).square().sum(-1)
        spread = self.centers.var(0).sum().clamp(min=torch.finfo(self.centers.dtype).eps)
        return self.loss_weight * (shares(target, distances) * distances).sum(-1).mean() / spread
