from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mmfer.registry import MODELS

from .cosine_head import CosineHead


@MODELS.register_module()
class ArcFaceHead(CosineHead):
    r"""ArcFace: the label must win by an angle.

    Paper: ArcFace: Additive Angular Margin Loss for Deep Face Recognition, https://arxiv.org/abs/1801.07698

    .. math::
        z_k = s \cos(\theta_k + m\, t_k), \quad
        \cos \theta_k = \frac{w_k \cdot x}{\lVert w_k \rVert \lVert x \rVert}

    t is 1 for the label and 0 for the others; a soft label, which the paper does not know, spreads the margin by its
    shares. The prediction has no margin: softmax of :math:`s \cos \theta`.

    Beyond :math:`\theta = \pi - m` the cosine would rise again and push the feature away from its class. As in the
    authors' code it is continued there by :math:`\cos \theta - m \sin m`, which goes on falling.

    Args:
        num_classes: K.
        in_channels: C.
        scale: s. The paper's 64 is for tens of thousands of people; see :class:`AMSoftmaxHead` for what few classes
            need.
        margin: m, in radians.
        loss: Loss of the logits; cross entropy by default.
        init_cfg: Initialisation.

    Raises:
        ValueError: If ``scale`` is not positive or ``margin`` not in [0, pi / 2].

    Examples:
        ``model.head = dict(type=ArcFaceHead, num_classes=7, in_channels=768, scale=16.0, margin=0.3)``
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        scale: float = 64.0,
        margin: float = 0.5,
        loss: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, scale=scale, loss=loss, init_cfg=init_cfg)
        if not 0 <= margin <= math.pi / 2:
            raise ValueError(f'margin={margin}: an angle in [0, pi / 2]')
        self.margin = margin

    def with_margin(self, cosine: Tensor, target: Tensor) -> Tensor:
        margin = self.margin * target
        sine = (1 - cosine.square()).clamp(min=1e-7).sqrt()  # the gradient is infinite at 0
        moved = cosine * margin.cos() - sine * margin.sin()
        return torch.where(cosine > -margin.cos(), moved, cosine - margin * margin.sin())
