from __future__ import annotations

from torch import Tensor, nn

from mmfer.registry import MODELS


@MODELS.register_module()
class RankRegularisationLoss(nn.Module):
    r"""Rank regularisation of SCN: the more important images of a batch are to be so by a margin.

    Paper: Suppressing Uncertainties for Large-Scale Facial Expression Recognition, https://arxiv.org/abs/2002.10392

    .. math::
        L = \max(0,\; m - (\bar a_H - \bar a_L))

    :math:`\bar a_H` is the mean of the :math:`\lfloor r B \rfloor` largest importance weights of the batch,
    :math:`\bar a_L` that of the others. Where one of the two groups is empty, as in a batch of one image, L is 0.

    Args:
        margin: m.
        ratio: r, the share of a batch that counts as important.
        loss_weight: Factor of the whole.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, margin: float = 0.15, ratio: float = 0.7, loss_weight: float = 1.0) -> None:
        super().__init__()
        if not 0 <= margin <= 1:
            raise ValueError(f'margin={margin}: must lie in [0, 1], as the weights do')
        if not 0 < ratio < 1:
            raise ValueError(f'ratio={ratio}: must lie between 0 and 1')
        if loss_weight < 0:
            raise ValueError(f'loss_weight={loss_weight}: must not be negative')
        self.margin = margin
        self.ratio = ratio
        self.loss_weight = loss_weight

    def forward(self, weights: Tensor) -> Tensor:
        """Scalar loss of importance weights (B,) in [0, 1]."""
        high = int(len(weights) * self.ratio)
        if high in (0, len(weights)):
            return 0 * weights.sum()
        weights = weights.float().sort(descending=True).values
        gap = weights[:high].mean() - weights[high:].mean()
        return self.loss_weight * (self.margin - gap).clamp(min=0)
