from __future__ import annotations

from torch import Tensor, nn

from mmfer.registry import MODELS

from ..losses.label_distribution_loss import LabelDistributionLoss
from .linear_head import LinearHead


@MODELS.register_module()
class LDLHead(LinearHead):
    r"""A linear layer whose softmax is fitted to the distribution of the labels (label distribution learning).

    Paper: Label Distribution Learning, https://arxiv.org/abs/1408.6027

    .. math::
        L = \frac{1}{B} \sum_b KL(d_b \,\|\, softmax(z_b))

    d is the soft label of the image, for example the shares of its votes; a label without votes is smoothed, see
    :class:`LabelDistributionLoss`.

    Args:
        num_classes: K.
        in_channels: C.
        loss: Loss of the logits; :class:`LabelDistributionLoss` by default.
        init_cfg: Initialisation.

    Examples:
        ``model.head = dict(type=LDLHead, num_classes=8, in_channels=768)``
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        loss: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, dict(type=LabelDistributionLoss) if loss is None else loss, init_cfg)

    def losses(self, x: Tensor, target: Tensor) -> dict[str, Tensor]:
        return dict(loss_kl=self.loss_module(self((x,)), target))
