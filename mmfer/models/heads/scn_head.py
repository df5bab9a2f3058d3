from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from mmfer.registry import MODELS

from ..losses.functional import at_least_single
from ..losses.rank_regularisation_loss import RankRegularisationLoss
from .base_head import BaseHead, entropy


@MODELS.register_module()
class SCNHead(BaseHead):
    r"""Self-cure network (SCN): logits scaled by a learned importance of the image.

    Paper: Suppressing Uncertainties for Large-Scale Facial Expression Recognition, https://arxiv.org/abs/2002.10392

    .. math::
        a = \operatorname{sigmoid}(w^\top x + c), \quad z = a\,(W x + b), \quad
        L = CE(z, t) + \max(0,\; m - (\bar a_H - \bar a_L))

    where :math:`\bar a_H` is the mean importance of the most important 70 % of a batch (of each process), and
    :math:`\bar a_L` that of the others; in a batch of one image the second term is 0.

    The third part of SCN, relabelling, needs to know the epoch and to remember labels: ``RelabelHook`` does that.

    Predictions carry ``importance`` (a scalar in (0, 1), low where the network learned that images of this kind have
    unreliable labels) beside ``uncertainty``.

    Args:
        num_classes: K.
        in_channels: C.
        loss: Loss of the scaled logits, with labels or soft labels; cross entropy by default.
        margin: m. The authors' code has 0.15, its README 0.07 for batches of 64.
        ratio: Share of a batch that counts as important.
        rank_weight: Factor of the rank regularisation.
        init_cfg: Initialisation.

    Raises:
        ValueError: If ``margin``, ``ratio`` or ``rank_weight`` is out of range.

    Examples:
        ``model.head = dict(type=SCNHead, num_classes=7, in_channels=512)``
        ``custom_hooks = [dict(type=RelabelHook, begin=10, margin=0.2)]``
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        loss: dict | nn.Module | None = None,
        margin: float = 0.15,
        ratio: float = 0.7,
        rank_weight: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, loss=loss, init_cfg=init_cfg)
        self.fc = nn.Linear(in_channels, num_classes)
        self.alpha = nn.Linear(in_channels, 1)
        self.rank_loss = RankRegularisationLoss(margin, ratio, loss_weight=rank_weight)

    def importance(self, x: Tensor) -> Tensor:
        """a for features ``x``: ``(B, C) -> (B, 1)``."""
        return self.alpha(x).sigmoid()

    def forward(self, feats: Sequence[Tensor] | Tensor) -> Tensor:
        """Scaled logits: ``(..., (B, C)) -> (B, K)``."""
        x = self.pre_logits(feats)
        return self.importance(x) * self.fc(x)

    def losses(self, x: Tensor, target: Tensor) -> dict[str, Tensor]:
        loss_rank = self.rank_loss(self.importance(x).squeeze(1))
        return dict(super().losses(x, target), loss_rank=loss_rank)

    def predictive(self, x: Tensor) -> dict[str, Tensor]:
        score = at_least_single(self((x,))).softmax(-1)
        importance = at_least_single(self.importance(x)).squeeze(1)
        return dict(pred_score=score, uncertainty=entropy(score), importance=importance)
