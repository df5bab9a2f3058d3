"""IR-Net, the "improved residual" network of ArcFace.

Paper: ArcFace: Additive Angular Margin Loss for Deep Face Recognition, https://arxiv.org/abs/1801.07698
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmfer.registry import MODELS

from ..layers import PReLU, PretrainedBackbone


class Subsample(nn.MaxPool2d):
    """Every ``stride``-th place of the map, ``nn.MaxPool2d(1, stride)``, without looking for a maximum among one."""

    def __init__(self, stride: int) -> None:
        super().__init__(1, stride)

    def forward(self, x: Tensor) -> Tensor:
        if torch.onnx.is_in_onnx_export():  # runtimes pool in the layout of their convolutions, and slice in another
            return super().forward(x)
        return x[:, :, :: self.stride, :: self.stride]


class IRUnit(nn.Module):
    """Improved residual unit: BN, conv, PReLU, strided conv, BN, added to a parameter-free or 1x1 shortcut."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        if in_channels == channels:
            self.shortcut = Subsample(stride) if stride > 1 else nn.Identity()
        else:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )
        self.residual = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.Conv2d(in_channels, channels, 3, 1, 1, bias=False),
            PReLU(channels),
            nn.Conv2d(channels, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.residual(x) + self.shortcut(x)


@MODELS.register_module()
class IRNet(PretrainedBackbone):
    """IR-Net without its face-recognition head: ``(B, 3, H, W)`` to one map a stage.

    Stage ``i`` has ``channels[i]`` channels at stride ``2 ** (i + 1)``; stages behind the last of ``out_indices`` are
    not built. POSTER++ and POSTER-Var use depth 50 and stages 0, 1, 2 on 112x112 pixels.

    Args:
        depth: 18, 34, 50, 100 or 152.
        out_indices: Stages whose maps are returned.
        channels: Width of each stage; the stem has ``channels[0]``.
        num_blocks: Units in each stage, instead of what ``depth`` says.
        init_cfg: ``dict(type='Pretrained', checkpoint=FILE)`` takes the released ``ir50.pth`` too.

    Raises:
        ValueError: If an argument is not one of those above.
    """

    num_blocks_of_depth = {
        18: (2, 2, 2, 2),
        34: (3, 4, 6, 3),
        50: (3, 4, 14, 3),
        100: (3, 13, 30, 3),
        152: (3, 8, 36, 3),
    }

    def __init__(
        self,
        depth: int = 50,
        out_indices: Sequence[int] = (0, 1, 2),
        channels: Sequence[int] = (64, 128, 256, 512),
        num_blocks: Sequence[int] | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if depth not in self.num_blocks_of_depth:
            raise ValueError(f'depth={depth!r}: IRNet has {sorted(self.num_blocks_of_depth)}')
        num_blocks = tuple(num_blocks or self.num_blocks_of_depth[depth])
        stages = min(len(channels), len(num_blocks))
        if not out_indices or not all(0 <= i < stages for i in out_indices):
            raise ValueError(f'out_indices={tuple(out_indices)!r}: choose from the stages 0..{stages - 1}')
        self.out_indices = tuple(out_indices)
        width = channels[0]
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), PReLU(width))
        self.stages = nn.ModuleList()
        for stage in range(max(self.out_indices) + 1):
            units = []
            for unit in range(num_blocks[stage]):
                units.append(IRUnit(width, channels[stage], 1 if unit else 2))
                width = channels[stage]
            self.stages.append(nn.Sequential(*units))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=0.25, mode='fan_out')

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Maps of the chosen stages: ``(B, 3, H, W) -> ((B, channels[i], H / 2**(i+1), W / 2**(i+1)), ...)``."""
        x = self.stem(x)
        maps = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in self.out_indices:
                maps.append(x)
        return tuple(maps)
