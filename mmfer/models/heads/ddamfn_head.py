from __future__ import annotations

from collections.abc import Sequence

from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmfer.registry import MODELS

from ..losses.attention_loss import AttentionLoss
from .linear_head import LinearHead


@MODELS.register_module()
class DDAMFNHead(LinearHead):
    r"""Head of DDAMFN: a linear layer, and a loss that keeps the attention heads of the neck apart.

    Paper: A Dual-Direction Attention Mixed Feature Network for Facial Expression Recognition,
    https://doi.org/10.3390/electronics12173595

    .. math::
        z = W x + b, \quad L = CE(z, t) + \lambda L_{attention}

    The attention loss needs a ``DDAMFNNeck`` before the head; behind anything else this is a ``LinearHead``.

    Args:
        num_classes: K.
        in_channels: C.
        loss: Loss of the logits, with labels or soft labels; cross entropy by default.
        attention_weight: :math:`\lambda`.
        init_cfg: Initialisation.

    Raises:
        ValueError: If ``attention_weight`` is negative.

    Examples:
        ``model.neck = dict(type=DDAMFNNeck, in_channels=512, feature_size=7)``
        ``model.head = dict(type=DDAMFNHead, num_classes=7, in_channels=512)``
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        loss: dict | nn.Module | None = None,
        attention_weight: float = 0.1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, loss=loss, init_cfg=init_cfg)
        self.attention_loss = AttentionLoss(loss_weight=attention_weight)

    def losses(self, x: Tensor, target: Tensor, attention: Tensor | None = None) -> dict[str, Tensor]:
        """Losses of features ``x`` (B, C), and where there is such, of attention (B, N, C, H, W)."""
        losses = super().losses(x, target)
        if attention is not None:
            losses['loss_attention'] = self.attention_loss(attention)
        return losses

    def loss(self, feats: Sequence[Tensor], data_samples: Sequence[DataSample]) -> dict[str, Tensor]:
        attention = feats[-2] if len(feats) > 1 and feats[-2].ndim == 5 else None
        return self.losses(self.pre_logits(feats), self.target(data_samples), attention)
