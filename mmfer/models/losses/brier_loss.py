from __future__ import annotations

from torch import Tensor, nn

from mmfer.registry import MODELS

from .functional import at_least_single, distribution


@MODELS.register_module()
class BrierLoss(nn.Module):
    r"""Squared error between softmax and one-hot label: the Brier score, a proper scoring rule, as a loss.

    Paper: Verification of forecasts expressed in terms of probability (Brier, 1950),
    https://doi.org/10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2

    .. math::
        L = \frac{1}{B} \sum_b w_b \sum_k (p_{bk} - t_{bk} / w_b)^2, \quad w_b = \sum_k t_{bk}, \quad
        p_b = softmax(z_b)

    w is 1 for labels and for soft labels that sum to one; votes without those for "unknown" sum to less, and the
    missing part gives no gradient.

    Args:
        loss_weight: Factor of the whole.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Scalar loss of ``logits`` (B, K) against labels (B,) or soft labels (B, K)."""
        probs = at_least_single(logits).softmax(-1)
        target, weight = distribution(target, probs)
        return self.loss_weight * (weight * (probs - target).square().sum(-1)).mean()
