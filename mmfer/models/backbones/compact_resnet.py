from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmfer.registry import MODELS


class SqueezeExcitation(nn.Module):
    """Channels scaled by what the whole map holds, through C / ``reduction`` channels: ``(B, C, H, W)`` to the same."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // reduction, 1)
        self.fc2 = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        scale = self.fc2(torch.relu(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(scale)


class CompactUnit(nn.Module):
    """Conv, BN, ReLU, conv, BN, squeeze and excitation, added to the input, ReLU."""

    def __init__(self, in_channels: int, channels: int, stride: int, reduction: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
            SqueezeExcitation(channels, reduction),
        )
        if stride == 1 and in_channels == channels:
            self.shortcut = nn.Identity()
        else:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.residual(x) + self.shortcut(x))


@MODELS.register_module()
class CompactResNet(BaseModule):
    """A small residual network with squeeze and excitation, for faces of about 48 pixels: ``(B, 3, H, W)`` to maps.

    Papers: https://arxiv.org/abs/1512.03385 (residual networks), https://arxiv.org/abs/1709.01507 (squeeze-excitation).

    The stem has two 3x3 convolutions, the first with stride 2. Stage ``i`` has ``channels[i]`` channels at stride
    ``2 ** (i + 1)``. With the default widths it has 0.72 M parameters and 132 MFLOPs at 48x48.

    Args:
        channels: Width of each stage; the stem has the first.
        num_blocks: Units in each stage.
        drop_rate: Probability that a channel of the last map is dropped while training, which after pooling is dropout
            of the features.
        reduction: Squeeze and excitation passes through ``C / reduction`` channels.
        out_indices: Stages whose maps are returned; the last one by default.
        init_cfg: Initialisation.

    Raises:
        ValueError: If an argument is not one of those above.
    """

    def __init__(
        self,
        channels: Sequence[int] = (32, 64, 128),
        num_blocks: Sequence[int] = (2, 2, 2),
        drop_rate: float = 0.0,
        reduction: int = 4,
        out_indices: Sequence[int] = (-1,),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if len(channels) != len(num_blocks) or not channels:
            raise ValueError(f'channels={tuple(channels)}, num_blocks={tuple(num_blocks)}: give one of each per stage')
        if not all(-len(channels) <= i < len(channels) for i in out_indices) or not out_indices:
            raise ValueError(f'out_indices={tuple(out_indices)}: choose from the {len(channels)} stages')
        self.out_indices = tuple(i % len(channels) for i in out_indices)
        width = channels[0]
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        self.stages = nn.ModuleList()
        for stage in range(max(self.out_indices) + 1):
            units = []
            for unit in range(num_blocks[stage]):
                stride = 2 if stage and not unit else 1
                units.append(CompactUnit(width, channels[stage], stride, reduction))
                width = channels[stage]
            self.stages.append(nn.Sequential(*units))
        self.drop = nn.Dropout2d(drop_rate)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """``(B, 3, H, W)`` to one map ``(B, channels[i], H / 2**(i+1), W / 2**(i+1))`` for each of ``out_indices``."""
        x = self.stem(x)
        maps = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in self.out_indices:
                maps.append(self.drop(x) if i == len(self.stages) - 1 else x)
        return tuple(maps)
