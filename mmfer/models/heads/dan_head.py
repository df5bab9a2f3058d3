from __future__ import annotations

from collections.abc import Sequence

from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmfer.registry import MODELS

from ..layers import BatchNorm1d
from ..losses.affinity_loss import AffinityLoss
from ..losses.partition_loss import PartitionLoss
from .base_head import BaseHead


@MODELS.register_module()
class DANHead(BaseHead):
    r"""Head of DAN: a linear layer whose logits are normalised over the batch, and the losses of DAN's attention.

    Paper: Distract Your Attention: Multi-head Cross Attention Network for Facial Expression Recognition,
    https://arxiv.org/abs/2109.07270

    .. math::
        z = \operatorname{BN}(W x + b), \quad L = CE(z, t) + \lambda_a L_{affinity} + \lambda_p L_{partition}

    Behind a ``DANNeck``, x is the sum of its heads, the affinity loss draws the mean of the backbone's map to the
    centre of its class, and the partition loss keeps the heads apart. Behind anything else x is the last feature, the
    affinity loss is that of x, and there is no partition loss.

    Args:
        num_classes: K.
        in_channels: C.
        loss: Loss of the logits, with labels or soft labels; cross entropy by default.
        affinity_weight: :math:`\lambda_a`.
        partition_weight: :math:`\lambda_p`.
        init_cfg: Initialisation.

    Raises:
        ValueError: If a weight is negative.

    Examples:
        ``model.neck = dict(type=DANNeck, in_channels=512)``
        ``model.head = dict(type=DANHead, num_classes=7, in_channels=512)``
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        loss: dict | nn.Module | None = None,
        affinity_weight: float = 1.0,
        partition_weight: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, loss=loss, init_cfg=init_cfg)
        self.fc = nn.Linear(in_channels, num_classes)
        self.bn = BatchNorm1d(num_classes)
        self.affinity_loss = AffinityLoss(num_classes, in_channels, loss_weight=affinity_weight)
        self.partition_loss = PartitionLoss(loss_weight=partition_weight)

    def forward(self, feats: Sequence[Tensor] | Tensor) -> Tensor:
        """Logits: ``(..., (B, C)) -> (B, K)``."""
        return self.bn(self.fc(self.pre_logits(feats)))

    def losses(
        self, x: Tensor, target: Tensor, pooled: Tensor | None = None, heads: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Losses of features ``x`` (B, C), and where there are such, of pooled maps (B, C) and heads (B, N, C)."""
        losses = super().losses(x, target)
        losses['loss_affinity'] = self.affinity_loss(x if pooled is None else pooled, target)
        if heads is not None:
            losses['loss_partition'] = self.partition_loss(heads)
        return losses

    def loss(self, feats: Sequence[Tensor], data_samples: Sequence[DataSample]) -> dict[str, Tensor]:
        x, target = self.pre_logits(feats), self.target(data_samples)
        if len(feats) < 3 or feats[-2].ndim != 3:
            return self.losses(x, target)
        maps, heads = feats[-3:-1]
        return self.losses(x, target, maps.mean((2, 3)), heads)
