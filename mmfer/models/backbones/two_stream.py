from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from mmfer.registry import MODELS

from ..layers import pretrained_file


@MODELS.register_module()
class TwoStreamBackbone(BaseModule):
    """The image and the landmark stream of POSTER, POSTER++ and POSTER-Var, both from one input.

    Papers: https://arxiv.org/abs/2204.04083 (POSTER), https://arxiv.org/abs/2301.12149 (POSTER++).

    The landmark stream gives the queries of the fusion. With pretrained weights it is frozen and runs without autograd;
    without, it is trained along, since a frozen random network would only add noise.

    Args:
        image: The image stream, e.g. ``dict(type=IRNet)``; returns a tuple of maps.
        landmark: The landmark stream, e.g. ``dict(type=MobileFaceNet)``; as many maps as the image stream.
        norm_eval: Whether the batch normalisation of the frozen landmark stream keeps its statistics while training.
            The authors let them drift (False). Files with folded batch normalisation are only right with True.
        freeze_landmark: None freezes the landmark stream where its ``init_cfg`` names pretrained weights.
        input_size: Both streams see the input at this size, S x S; None leaves it as it comes.
        init_cfg: Initialisation of the whole.

    Raises:
        ValueError: If a landmark stream without pretrained weights is to be frozen.
    """

    def __init__(
        self,
        image: dict | nn.Module,
        landmark: dict | nn.Module,
        norm_eval: bool,
        freeze_landmark: bool | None = None,
        input_size: int | None = 112,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.image = image if isinstance(image, nn.Module) else MODELS.build(image)
        self.landmark = landmark if isinstance(landmark, nn.Module) else MODELS.build(landmark)
        pretrained = pretrained_file(self.landmark) is not None
        if freeze_landmark and not pretrained:
            raise ValueError(
                'freeze_landmark=True, but the landmark stream has no pretrained weights: a frozen random network only '
                "adds noise. Give it init_cfg=dict(type='Pretrained', checkpoint=FILE), or leave freeze_landmark=None "
                'to train it along.'
            )
        self.frozen = pretrained if freeze_landmark is None else freeze_landmark
        self.norm_eval = norm_eval
        self.input_size = input_size
        if self.frozen:
            self.landmark.requires_grad_(False)

    def train(self, mode: bool = True) -> TwoStreamBackbone:
        super().train(mode)
        if mode and self.frozen and self.norm_eval:
            for module in self.landmark.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """``(B, 3, H, W)`` to the landmark maps, then the image maps, each from fine to coarse.

        The image stream comes last, so that what reads only the last map (a plain pooling neck) reads the image.
        """
        if self.input_size is not None and x.shape[2:] != (self.input_size, self.input_size):
            x = F.interpolate(x, size=self.input_size)  # nearest, as the authors do
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            landmark = self.landmark(x)
        image = self.image(x)
        if len(landmark) != len(image):
            raise ValueError(f'the image stream gives {len(image)} maps, the landmark stream {len(landmark)}')
        return (*landmark, *image)
