from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from mmfer.registry import MODELS


@MODELS.register_module()
class FlipConsistencyLoss(nn.Module):
    r"""Flip attention consistency of EAC: what a network looks at in a flipped image is to be the flipped attention.

    Paper: Learn From All: Erasing Attention Consistency for Noisy Label Facial Expression Recognition,
    https://arxiv.org/abs/2207.10299

    .. math::
        L = \frac{\lambda}{B K H W} \sum_{bkhw} (A_{bkhw} - A'_{bkh(W-1-w)})^2

    Args:
        loss_weight: :math:`\lambda`.

    Raises:
        ValueError: If ``loss_weight`` is negative.
    """

    def __init__(self, loss_weight: float = 5.0) -> None:
        super().__init__()
        if loss_weight < 0:
            raise ValueError(f'loss_weight={loss_weight}: must not be negative')
        self.loss_weight = loss_weight

    def forward(self, attention: Tensor, flipped: Tensor) -> Tensor:
        """Scalar loss of the attention in images (B, K, H, W) and in their flipped views, not flipped back."""
        return self.loss_weight * F.mse_loss(attention.float(), flipped.flip(-1).float())
