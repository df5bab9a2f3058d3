from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmfer.registry import MODELS

from .functional import at_least_single, shares


@MODELS.register_module()
class FocalLoss(nn.Module):
    r"""Cross entropy that turns away from what is already known well.

    Paper: Focal Loss for Dense Object Detection, https://arxiv.org/abs/1708.02002; here over a softmax.

    .. math::
        L = -\frac{1}{B} \sum_b \sum_k \alpha_k\, t_{bk} (1 - p_{bk})^\gamma \log p_{bk}, \quad p_b = softmax(z_b)

    With a label this is the paper's :math:`-\alpha_t (1 - p_t)^\gamma \log p_t`, with a soft label its expectation;
    what a soft label lacks to one gives no gradient. The sum is divided by B, not by the weights of the labels. With
    :math:`\gamma = 0` and no weights it is the cross entropy.

    Args:
        gamma: :math:`\gamma`, 0 or more; the paper uses 2.
        alpha: :math:`\alpha`, one weight a class; all 1 by default.
        loss_weight: Factor of the whole.

    Raises:
        ValueError: If ``gamma`` or a weight in ``alpha`` is negative.

    Examples:
        ``model.head = dict(type=LinearHead, num_classes=7, in_channels=768, loss=dict(type=FocalLoss, gamma=2.0))``
    """

    def __init__(self, gamma: float = 2.0, alpha: Sequence[float] | None = None, loss_weight: float = 1.0) -> None:
        super().__init__()
        if gamma < 0:
            raise ValueError(f'gamma={gamma}: must not be negative')
        if alpha is not None and min(alpha) < 0:
            raise ValueError(f'alpha={alpha}: a weight must not be negative')
        self.gamma = gamma
        self.loss_weight = loss_weight
        weight = None if alpha is None else torch.tensor(alpha, dtype=torch.float32)
        self.register_buffer('alpha', weight, persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Scalar loss of ``logits`` (B, K) against labels (B,) or soft labels (B, K)."""
        log_probs = at_least_single(logits).log_softmax(-1)
        # 1 - p without cancellation; kept off zero, where the gradient of a power below 1 is infinite
        others = -torch.expm1(log_probs)
        focus = others.clamp(min=torch.finfo(others.dtype).tiny).pow(self.gamma)
        terms = shares(target, log_probs) * focus * log_probs
        if self.alpha is not None:
            terms = terms * self.alpha
        return -self.loss_weight * terms.sum(-1).mean()
