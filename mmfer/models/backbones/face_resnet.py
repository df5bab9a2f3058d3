from __future__ import annotations

import torch
from mmpretrain.models import ResNet
from torch import nn

from mmfer.registry import MODELS

from ..layers import PretrainedBackbone


@MODELS.register_module()
class FaceResNet(PretrainedBackbone, ResNet):
    """mmpretrain's ResNet that starts from weights of face recognition as their authors released them.

    Paper: Deep Residual Learning for Image Recognition, https://arxiv.org/abs/1512.03385

    ``init_cfg=dict(type='Pretrained', checkpoint=FILE)`` takes torchvision's names (``conv1``, ``layer1``, ...; such is
    the ResNet-18 trained on MS-Celeb-1M that DAN and SCN start from), and whole models built on them (DAN, SCN, EAC).

    ============= ============================ ===================== ===================================== ======
    layout        first convolution            pooling               bottlenecks stride in                 stride
    ============= ============================ ===================== ===================================== ======
    'torchvision' 7x7, stride 2                3x3 with padding      their 3x3 convolution                 32
    'vggface2'    7x7, stride 2                3x3, rounded up       their first 1x1 convolution           32
    'small'       3x3, stride 1                none                  their 3x3 convolution                 8
    ============= ============================ ===================== ===================================== ======

    'vggface2' is the ResNet-50 of VGGFace2, from Caffe, that EAC starts from. 'small' is for small images.

    Args:
        depth: 18, 34, 50, 101 or 152.
        width: Channels of the first stage, before the expansion of bottlenecks.
        layout: One of the table.
        init_cfg: Initialisation.

    Raises:
        ValueError: If ``layout`` is none of these.
        KeyError: If there is no such depth.
    """

    layouts = ('torchvision', 'vggface2', 'small')

    def __init__(
        self, depth: int = 18, width: int = 64, layout: str = 'torchvision', init_cfg: dict | None = None
    ) -> None:
        if layout not in self.layouts:
            raise ValueError(f'layout={layout!r}: FaceResNet has {self.layouts}')
        with torch.device('cpu'):  # mmpretrain reads numbers out of tensors here, which the meta device has not
            style = 'caffe' if layout == 'vggface2' else 'pytorch'
            given = {} if init_cfg is None else dict(init_cfg=init_cfg)
            super().__init__(depth, stem_channels=width, base_channels=width, style=style, **given)
            if layout == 'vggface2':
                self.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
            elif layout == 'small':
                self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
                self.maxpool = nn.Identity()
        self.layout = layout
        self.to(torch.empty(0).device)
