"""MixedFeatureNet, the backbone of DDAMFN.

Paper: A Dual-Direction Attention Mixed Feature Network for Facial Expression Recognition,
https://doi.org/10.3390/electronics12173595
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmfer.registry import MODELS

from ..layers import CoordinateAttention, PretrainedBackbone
from .mobile_face_net import ConvBlock


class MixedDepthwise(nn.Module):
    """Depthwise convolutions of several sizes, each on its share of the channels (https://arxiv.org/abs/1907.09595).

    The authors declare a batch normalisation and a PReLU behind them that their forward pass leaves out.

    Args:
        channels: C; the shares after the first are rounded down to even numbers, and the first takes the rest.
        kernels: Sides of the kernels, odd numbers: 3, 5, ...
        weights: Size of each share, in relation to the others.
        stride: Stride of all of them.
    """

    def __init__(self, channels: int, kernels: Sequence[int], weights: Sequence[int], stride: int) -> None:
        super().__init__()
        shares = [channels * weight // sum(weights) // 2 * 2 for weight in weights]
        shares[0] = channels - sum(shares[1:])
        self.shares = tuple(shares)
        self.convs = nn.ModuleList(
            nn.Conv2d(share, share, kernel, stride, kernel // 2, groups=share, bias=False)
            for share, kernel in zip(shares, kernels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([conv(part) for conv, part in zip(self.convs, x.split(self.shares, 1))], 1)


class MixedUnit(nn.Module):
    """Inverted bottleneck: expand 1x1, mixed depthwise, coordinate attention, project 1x1; residual at stride 1."""

    def __init__(self, in_channels: int, channels: int, hidden: int, mix: tuple, stride: int) -> None:
        super().__init__()
        self.expand = ConvBlock(in_channels, hidden)
        self.depthwise = MixedDepthwise(hidden, *mix, stride)
        self.attention = CoordinateAttention(hidden)
        self.project = ConvBlock(hidden, channels, act=False)
        self.residual = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        out = self.depthwise(self.expand(x))
        out = self.project(out * self.attention(out))
        return x + out if self.residual else out


@MODELS.register_module()
class MixedFeatureNet(PretrainedBackbone):
    """MixedFeatureNet: ``(B, 3, H, W)`` to one map of stride 16, at 112x112 pixels ``(B, 512, 7, 7)``.

    A MobileFaceNet with depthwise convolutions of 3x3 to 9x9 and coordinate attention in every unit.

    Args:
        width: Multiplier of all widths, rounded to multiples of 8.
        num_blocks: Residual units in each of the three stages.
        init_cfg: ``dict(type='Pretrained', checkpoint=FILE)`` takes the tensors of the authors' ``MFN_msceleb.pth`` and
            released models of DDAMFN.

    Raises:
        ValueError: If ``num_blocks`` has not three numbers.
    """

    # Of each stage: width, widening in its first unit, and kernels with their shares in the first and in the others.
    stages_of = (
        (64, 2, ((3, 5, 7), (2, 1, 1)), ((3, 5), (3, 1))),
        (128, 4, ((3, 5, 7), (2, 1, 1)), ((3, 5), (3, 1))),
        (256, 8, ((3, 5, 7, 9), (1, 1, 1, 1)), ((3, 5, 7), (1, 1, 1))),
    )

    def __init__(
        self, width: float = 1.0, num_blocks: Sequence[int] = (9, 16, 6), init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if len(num_blocks) != len(self.stages_of):
            raise ValueError(f'num_blocks={tuple(num_blocks)!r}: MixedFeatureNet has three stages')

        def scaled(channels: int) -> int:
            return max(8, int(channels * width + 4) // 8 * 8)

        in_channels = scaled(64)
        self.stem = nn.Sequential(
            ConvBlock(3, in_channels, 3, 2), ConvBlock(in_channels, in_channels, 3, groups=in_channels)
        )
        self.stages = nn.ModuleList()
        for (channels, widening, first, others), num in zip(self.stages_of, num_blocks):
            out = scaled(channels)
            units = [MixedUnit(in_channels, out, widening * in_channels, first, 2)]
            units += [MixedUnit(out, out, 2 * out, others, 1) for _ in range(num)]
            self.stages.append(nn.Sequential(*units))
            in_channels = out
        self.expand = ConvBlock(in_channels, scaled(512))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=0.25, mode='fan_out')

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """``(B, 3, H, W) -> ((B, 512 * width, H / 16, W / 16),)``."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return (self.expand(x),)
