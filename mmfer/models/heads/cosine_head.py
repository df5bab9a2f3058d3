from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmfer.registry import MODELS

from ..losses.functional import at_least_single, shares
from .base_head import BaseHead


@MODELS.register_module()
class CosineHead(BaseHead):
    r"""Softmax over scaled cosines between the feature and one direction a class.

    Paper: NormFace: L2 Hypersphere Embedding for Face Verification, https://arxiv.org/abs/1704.06369

    .. math::
        z_k = s \cos \theta_k, \quad \cos \theta_k = \frac{w_k \cdot x}{\lVert w_k \rVert \lVert x \rVert}

    The base of the heads with a margin, which change the cosines that the loss sees.

    Args:
        num_classes: K.
        in_channels: C.
        scale: s. No score exceeds :math:`1 / (1 + (K - 1) e^{-2 s})`.
        loss: Loss of the logits; cross entropy by default.
        init_cfg: Initialisation.

    Raises:
        ValueError: If ``scale`` is not positive.

    Examples:
        ``model.head = dict(type=CosineHead, num_classes=7, in_channels=768, scale=16.0)``
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        scale: float = 16.0,
        loss: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, loss=loss, init_cfg=init_cfg)
        if not scale > 0:
            raise ValueError(f'scale={scale}: must be positive')
        self.scale = scale
        self.weight = nn.Parameter(torch.empty(num_classes, in_channels))
        nn.init.xavier_uniform_(self.weight)

    def cosine(self, x: Tensor) -> Tensor:
        """Cosines (B, K) of features (B, C), in single precision under autocast, too: angles need it."""
        weight = at_least_single(self.weight)
        return F.cosine_similarity(at_least_single(x).unsqueeze(1), weight.unsqueeze(0), dim=-1)

    def with_margin(self, cosine: Tensor, target: Tensor) -> Tensor:
        """The cosines (B, K) that the loss sees, for the share (B, K) that each class has in the label."""
        return cosine

    def forward(self, feats: Sequence[Tensor] | Tensor) -> Tensor:
        """Logits without margin: ``(..., (B, C)) -> (B, K)``."""
        return self.scale * self.cosine(self.pre_logits(feats))

    def losses(self, x: Tensor, target: Tensor) -> dict[str, Tensor]:
        cosine = self.cosine(x)
        cosine = self.with_margin(cosine, shares(target, cosine))
        return dict(loss_ce=self.loss_module(self.scale * cosine, target))
