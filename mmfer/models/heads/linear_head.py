from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from mmfer.registry import MODELS

from .base_head import BaseHead


@MODELS.register_module()
class LinearHead(BaseHead):
    """One linear layer and a softmax: the point estimate every other head is compared with.

    Args:
        num_classes: K.
        in_channels: C.
        loss: Loss of the logits; cross entropy by default, of which label smoothing is an option. Others are
            :class:`BrierLoss`, :class:`FocalLoss` and :class:`LabelDistributionLoss`.
        init_cfg: Initialisation.

    Examples:
        ``model.head = dict(type=LinearHead, num_classes=7, in_channels=768)``, with label smoothing
        ``loss=dict(type=SoftCrossEntropyLoss, label_smoothing=0.1)``
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        loss: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, loss=loss, init_cfg=init_cfg)
        self.fc = nn.Linear(in_channels, num_classes)

    def forward(self, feats: Sequence[Tensor] | Tensor) -> Tensor:
        """Logits: ``(..., (B, C)) -> (B, K)``."""
        return self.fc(self.pre_logits(feats))
