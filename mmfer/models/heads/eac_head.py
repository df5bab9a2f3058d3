from __future__ import annotations

from collections.abc import Sequence

from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.nn import functional as F

from mmfer.registry import MODELS

from ..losses.flip_consistency_loss import FlipConsistencyLoss
from .base_head import BaseHead


@MODELS.register_module()
class EACHead(BaseHead):
    r"""Erasing attention consistency (EAC): the attention in a flipped image is to be the flipped attention.

    Paper: Learn From All: Erasing Attention Consistency for Noisy Label Facial Expression Recognition,
    https://arxiv.org/abs/2207.10299

    With the feature map :math:`M` of an image, :math:`M'` of its flipped view, and :math:`W, b` of the linear layer:

    .. math::
        z = W \bar M + b, \quad A_k = \sum_c W_{kc} M_c, \quad
        L = CE(z, t) + \lambda\, \operatorname{MSE}(A, \operatorname{flip} A')

    :math:`\bar M` is the mean over the map. Only the image itself has a cross entropy, and W in A is a constant.

    The head reads maps, so there is no pooling neck before it. While training it reads both views, which
    ``TwoViewPreprocessor`` makes and marks: the images first, then their flipped views. They go through the backbone
    together, so normalisation layers see 2 B images; the authors' code runs one after the other. Erase images at random
    in the pipeline; do not flip them there.

    Args:
        num_classes: K.
        in_channels: C.
        loss: Loss of the logits, with labels or soft labels; cross entropy by default.
        consistency_weight: :math:`\lambda`.
        pooled: Read features (B, C) as maps of one cell, for networks that have no maps at their end. Then the class
            scores of both views are compared, not where they come from.
        init_cfg: Initialisation.

    Raises:
        ValueError: If ``consistency_weight`` is negative.

    Examples:
        ``model.neck = None``
        ``model.head = dict(type=EACHead, num_classes=7, in_channels=2048)``
        ``model.data_preprocessor = dict(type=TwoViewPreprocessor)``
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        loss: dict | nn.Module | None = None,
        consistency_weight: float = 5.0,
        pooled: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, loss=loss, init_cfg=init_cfg)
        self.pooled = pooled
        self.fc = nn.Linear(in_channels, num_classes)
        self.consistency_loss = FlipConsistencyLoss(loss_weight=consistency_weight)

    def pre_logits(self, feats: Sequence[Tensor] | Tensor) -> Tensor:
        """The last of ``feats`` as maps (B, C, H, W); with ``pooled``, (B, C) as (B, C, 1, 1).

        Raises:
            ValueError: If it has another shape.
        """
        x = feats if isinstance(feats, Tensor) else feats[-1]
        if x.ndim == 2 and self.pooled:
            x = x[:, :, None, None]
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise ValueError(
                f'EACHead expects maps of shape (B, {self.in_channels}, H, W), got {tuple(x.shape)}: set in_channels '
                'to the width of the backbone, and remove the pooling neck (neck=None), since the head pools itself; '
                'or set pooled=True to compare class scores where there are no maps'
            )
        return x

    def forward(self, feats: Sequence[Tensor] | Tensor) -> Tensor:
        """Logits: ``(..., (B, C, H, W)) -> (B, K)``."""
        return self.fc(self.pre_logits(feats).mean((2, 3)))

    def attention(self, x: Tensor) -> Tensor:
        """Class attention maps A: ``(B, C, H, W) -> (B, K, H, W)``. The linear layer gets no gradient through them."""
        return F.conv2d(x, self.fc.weight.detach()[:, :, None, None])

    def losses(self, x: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Losses of maps ``x`` (2 B, C, H, W), the images before their flipped views, and ``target`` of the same."""
        images, _ = x.chunk(2)
        return dict(
            super().losses(images, target[: len(images)]),
            loss_consistency=self.consistency_loss(*self.attention(x).chunk(2)),
        )

    def loss(self, feats: Sequence[Tensor], data_samples: Sequence[DataSample]) -> dict[str, Tensor]:
        """Losses of a batch with both views.

        Raises:
            ValueError: If the samples are not those of images and, in the same order, their flipped views.
        """
        views = [sample.get('view', 0) for sample in data_samples]
        if views != [0] * (len(views) // 2) + [1] * (len(views) // 2) or not views:
            raise ValueError(
                'EACHead trains on images and their flipped views: set data_preprocessor=dict(type=TwoViewPreprocessor)'
            )
        return super().loss(feats, data_samples)
