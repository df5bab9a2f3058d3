from __future__ import annotations

from torch import Tensor, nn

from mmfer.registry import MODELS

from .cosine_head import CosineHead


@MODELS.register_module()
class AMSoftmaxHead(CosineHead):
    r"""Additive margin softmax, also known as CosFace: the label's cosine must win by a margin.

    Papers: Additive Margin Softmax for Face Verification, https://arxiv.org/abs/1801.05599; CosFace,
    https://arxiv.org/abs/1801.09414

    .. math::
        z_k = s (\cos \theta_k - m\, t_k), \quad
        \cos \theta_k = \frac{w_k \cdot x}{\lVert w_k \rVert \lVert x \rVert}

    t is 1 for the label and 0 for the others; a soft label, which the papers do not know, spreads the margin by its
    shares. The prediction has no margin: softmax of :math:`s \cos \theta`.

    Args:
        num_classes: K.
        in_channels: C.
        scale: s. The papers' 30 is for thousands of people. CosFace: to give the label a score of P where the classes
            lie as far apart as they can, s must be at least :math:`\frac{K - 1}{K} \log \frac{(K - 1) P}{1 - P}`: 8
            for 7 classes and P = 0.999.
        margin: m, as a difference of cosines.
        loss: Loss of the logits; cross entropy by default.
        init_cfg: Initialisation.

    Raises:
        ValueError: If ``scale`` is not positive or ``margin`` is negative.

    Examples:
        ``model.head = dict(type=AMSoftmaxHead, num_classes=7, in_channels=768, scale=16.0, margin=0.2)``
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        scale: float = 30.0,
        margin: float = 0.35,
        loss: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, scale=scale, loss=loss, init_cfg=init_cfg)
        if margin < 0:
            raise ValueError(f'margin={margin}: must not be negative')
        self.margin = margin

    def with_margin(self, cosine: Tensor, target: Tensor) -> Tensor:
        return cosine - self.margin * target
