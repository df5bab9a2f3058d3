from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmfer.registry import MODELS

from ..losses.functional import at_least_single
from .base_head import BaseHead
from .sampled import sampled_mixture


@MODELS.register_module()
class EnsembleHead(BaseHead):
    r"""M linear heads on one backbone, each from its own start: an ensemble at the price of a head.

    Paper: Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles,
    https://arxiv.org/abs/1612.01474, where whole networks are trained; here the members share all but the last layer.

    .. math::
        L = \frac{1}{M} \sum_m CE(z_m, t), \quad z_m = W_m (c_m \odot x) + b_m, \quad
        p = \frac{1}{M} \sum_m softmax(z_m)

    In the last layer alone the loss is convex, so members that see the same features draw closer while they train.
    With ``feature_fraction`` below 1 each sees its own channels (the masks :math:`c_m` are drawn once and stored with
    the weights) and they stay apart.

    Predictions carry ``pred_mean`` and ``pred_std`` of the members' logits and the parts of ``uncertainty``:
    ``aleatoric`` (mean entropy of the members) and ``epistemic`` (their disagreement, as mutual information). The
    logits of ``forward`` are :math:`\log p`.

    Args:
        num_classes: K.
        in_channels: C.
        num_members: M.
        feature_fraction: Share of the channels that a member sees.
        loss: Loss of each member's logits; cross entropy by default.
        init_cfg: Initialisation.

    Raises:
        ValueError: If ``num_members`` or ``feature_fraction`` is out of range.

    Examples:
        ``model.head = dict(type=EnsembleHead, num_classes=7, in_channels=768, num_members=5, feature_fraction=0.5)``
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        num_members: int = 5,
        feature_fraction: float = 1.0,
        loss: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, loss=loss, init_cfg=init_cfg)
        if num_members < 2:
            raise ValueError(f'num_members={num_members}: an ensemble has at least two')
        if not 0 < feature_fraction <= 1:
            raise ValueError(f'feature_fraction={feature_fraction}: must lie in (0, 1]')
        self.num_members = num_members
        self.fc = nn.Linear(in_channels, num_members * num_classes)  # row m * K + k: class k of member m
        masks = None
        if feature_fraction < 1:
            seen = max(1, round(feature_fraction * in_channels))
            draw = torch.rand(num_members, in_channels, generator=torch.Generator().manual_seed(0))
            masks = torch.zeros_like(draw).scatter_(1, draw.topk(seen).indices, 1)
        self.register_buffer('masks', masks)

    def members(self, x: Tensor) -> Tensor:
        """Logits (M, B, K) of the members for features (B, C)."""
        weight = self.fc.weight
        if self.masks is not None:
            weight = weight * self.masks.repeat_interleave(self.num_classes, 0)
        logits = F.linear(x, weight, self.fc.bias).unflatten(-1, (self.num_members, self.num_classes))
        return at_least_single(logits).transpose(0, 1)

    def forward(self, feats: Sequence[Tensor] | Tensor) -> Tensor:
        """Logarithm of the mean of the members' probabilities: ``(..., (B, C)) -> (B, K)``."""
        log_probs = self.members(self.pre_logits(feats)).log_softmax(-1)
        return torch.logsumexp(log_probs, 0) - math.log(self.num_members)

    def losses(self, x: Tensor, target: Tensor) -> dict[str, Tensor]:
        repeats = (self.num_members,) + (1,) * (target.ndim - 1)
        return dict(loss_ce=self.loss_module(self.members(x).flatten(0, 1), target.repeat(repeats)))

    def predictive(self, x: Tensor) -> dict[str, Tensor]:
        return sampled_mixture(self.members(x))
