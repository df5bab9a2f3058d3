from __future__ import annotations

import torch
from torch import Tensor, nn

from mmfer.registry import MODELS

from .functional import at_least_single, distribution


@MODELS.register_module()
class LabelDistributionLoss(nn.Module):
    r"""Divergence of the softmax from the distribution of the labels (label distribution learning).

    Paper: Label Distribution Learning, https://arxiv.org/abs/1408.6027

    .. math::
        L = \frac{1}{B} \sum_b w_b\, KL(d_b \,\|\, p_b) = \frac{1}{B} \sum_b w_b \sum_k d_{bk} \log
        \frac{d_{bk}}{p_{bk}}, \quad p_b = softmax(z_b)

    A soft label is its own distribution d; where its entries sum to less than one (votes without those for "unknown")
    w is the sum and d = t / w. A label without votes becomes the distribution of label smoothing,
    :math:`d_k = (1 - \epsilon) [k = t] + \epsilon / K`, for lack of a better one. The gradient is that of the cross
    entropy with the same d; the value is 0 where the prediction is the distribution.

    Args:
        label_smoothing: :math:`\epsilon` for labels without votes; soft labels are never smoothed.
        loss_weight: Factor of the whole.

    Raises:
        ValueError: If ``label_smoothing`` is not in [0, 1).
    """

    def __init__(self, label_smoothing: float = 0.1, loss_weight: float = 1.0) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise ValueError(f'label_smoothing={label_smoothing}: must lie in [0, 1)')
        self.label_smoothing = label_smoothing
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Scalar loss of ``logits`` (B, K) against labels (B,) or soft labels (B, K)."""
        log_probs = at_least_single(logits).log_softmax(-1)
        hard = target.ndim == 1
        target, weight = distribution(target, log_probs)
        if hard:
            target = torch.lerp(target, torch.full_like(target, 1 / target.shape[1]), self.label_smoothing)
        divergence = -(target * log_probs).sum(-1) - torch.special.entr(target).sum(-1)
        return self.loss_weight * (weight * divergence).mean()
