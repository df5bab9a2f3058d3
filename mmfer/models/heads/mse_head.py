from __future__ import annotations

from torch import Tensor, nn

from mmfer.registry import MODELS

from ..losses.brier_loss import BrierLoss
from .linear_head import LinearHead


@MODELS.register_module()
class MSEHead(LinearHead):
    r"""A linear layer whose softmax is fitted to the one-hot label by squared error instead of cross entropy.

    Paper: Verification of forecasts expressed in terms of probability (Brier, 1950),
    https://doi.org/10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2

    .. math::
        L = \frac{1}{B} \sum_b \sum_k (p_{bk} - [k = t_b])^2, \quad p_b = softmax(z_b)

    The error is taken of the softmax, not of the logits: then the prediction is a distribution, the loss is a proper
    scoring rule, and the scores compare with those of the other heads. Logits fitted to 0 and 1 would have to go
    through a softmax that they were not fitted for.

    Args:
        num_classes: K.
        in_channels: C.
        loss: Loss of the logits; :class:`BrierLoss`, which is the above and takes soft labels, too, by default.
        init_cfg: Initialisation.

    Examples:
        ``model.head = dict(type=MSEHead, num_classes=7, in_channels=768)``
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        loss: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, dict(type=BrierLoss) if loss is None else loss, init_cfg)

    def losses(self, x: Tensor, target: Tensor) -> dict[str, Tensor]:
        return dict(loss_mse=self.loss_module(self((x,)), target))
