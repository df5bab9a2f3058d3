from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmfer.registry import MODELS


@MODELS.register_module()
class SoftCrossEntropyLoss(nn.Module):
    """Cross entropy with hard or soft labels, averaged over the batch.

    ``L = -1/B sum_b sum_k w_k t_bk log softmax(z_b)_k``. A soft label t may sum to less than one (votes without those
    for "unknown"); the missing part then gives no gradient. With hard labels and class weights the sum is divided by
    the weights of the labels, as in PyTorch.

    Args:
        label_smoothing: e, the share of the target that is spread evenly over the classes: ``(1 - e) t + e / K``
            stands for t (https://arxiv.org/abs/1512.00567).
        class_weight: w, one weight a class.
        loss_weight: Factor of the whole.
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        class_weight: Sequence[float] | None = None,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise ValueError(f'label_smoothing={label_smoothing}: must lie in [0, 1)')
        self.label_smoothing = label_smoothing
        self.loss_weight = loss_weight
        weight = None if class_weight is None else torch.tensor(class_weight, dtype=torch.float32)
        self.register_buffer('class_weight', weight, persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Scalar loss of ``logits`` (B, K) against labels (B,) or soft labels (B, K)."""
        loss = F.cross_entropy(logits, target, weight=self.class_weight, label_smoothing=self.label_smoothing)
        return self.loss_weight * loss
