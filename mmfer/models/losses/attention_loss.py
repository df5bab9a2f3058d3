from __future__ import annotations

from itertools import combinations

from torch import Tensor, nn
from torch.nn import functional as F

from mmfer.registry import MODELS

from .functional import at_least_single


@MODELS.register_module()
class AttentionLoss(nn.Module):
    r"""Attention loss of DDAMFN: attention heads are to look at different places.

    Paper: A Dual-Direction Attention Mixed Feature Network for Facial Expression Recognition,
    https://doi.org/10.3390/electronics12173595

    .. math::
        L = \lambda \frac{N (N - 1) / 2}{\sum_{i < j} \operatorname{MSE}(A_i, A_j)}

    For one head L is 0.

    Args:
        loss_weight: :math:`\lambda`; the authors use 0.1.
    """

    def __init__(self, loss_weight: float = 0.1) -> None:
        super().__init__()
        if loss_weight < 0:
            raise ValueError(f'loss_weight={loss_weight}: must not be negative')
        self.loss_weight = loss_weight

    def forward(self, attention: Tensor) -> Tensor:
        """Scalar loss of the attention maps (B, N, C, H, W) of N heads."""
        heads = at_least_single(attention).unbind(1)
        if len(heads) == 1:
            return 0 * heads[0].sum()
        errors = [F.mse_loss(one, other) for one, other in combinations(heads, 2)]
        return self.loss_weight * len(errors) / (sum(errors) + 1e-12)
