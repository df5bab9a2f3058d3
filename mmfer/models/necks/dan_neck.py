"""Multi-head cross attention and attention fusion of DAN.

Paper: Distract Your Attention: Multi-head Cross Attention Network for Facial Expression Recognition,
https://arxiv.org/abs/2109.07270
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmfer.registry import MODELS

from ..layers import BatchNorm1d


def _conv(in_channels: int, channels: int, kernel: tuple[int, int]) -> nn.Sequential:
    padding = (kernel[0] // 2, kernel[1] // 2)
    return nn.Sequential(nn.Conv2d(in_channels, channels, kernel, padding=padding), nn.BatchNorm2d(channels))


class SpatialAttention(nn.Module):
    """One weight a place, of no fixed scale, from 3x3, 1x3 and 3x1 convolutions: ``(B, C, H, W) -> (B, C, H, W)``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = _conv(channels, channels // 2, (1, 1))
        self.square = _conv(channels // 2, channels, (3, 3))
        self.row = _conv(channels // 2, channels, (1, 3))
        self.column = _conv(channels // 2, channels, (3, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.reduce(x)
        y = torch.relu(self.square(y) + self.row(y) + self.column(y))
        return x * y.sum(1, keepdim=True)


class ChannelAttention(nn.Module):
    """The mean over the map, each channel with a weight in (0, 1): ``(B, C, H, W) -> (B, C)``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(4, channels // 16)
        self.fc1 = nn.Linear(channels, hidden)
        self.bn = BatchNorm1d(hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x.mean((2, 3))
        return x * self.fc2(torch.relu(self.bn(self.fc1(x)))).sigmoid()


class CrossAttention(nn.Module):
    """An attention head of DAN, spatial then channel attention: ``(B, C, H, W) -> (B, C)``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spatial = SpatialAttention(channels)
        self.channel = ChannelAttention(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.channel(self.spatial(x))


@MODELS.register_module()
class DANNeck(BaseModule):
    r"""Several attention heads that look at the last map of a backbone, and their fusion (DAN).

    Paper: https://arxiv.org/abs/2109.07270

    .. math::
        h_i = \operatorname{attention}_i(M), \quad l = \log softmax_i(h), \quad x = \sum_i l_i

    The softmax goes over the N heads, channel by channel; with one head x is h. ``DANHead`` reads all the three items,
    any other head the last one.

    Args:
        in_channels: C, the channels of the backbone's last map.
        num_heads: N.
        init_cfg: Initialisation.

    Raises:
        ValueError: If there is no head.
    """

    def __init__(self, in_channels: int = 512, num_heads: int = 4, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        if num_heads < 1:
            raise ValueError(f'num_heads={num_heads}: at least one')
        self.heads = nn.ModuleList(CrossAttention(in_channels) for _ in range(num_heads))

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """``(..., (B, C, H, W))`` to the map itself, the heads l (B, N, C) and their sum x (B, C)."""
        x = feats[-1]
        heads = torch.stack([head(x) for head in self.heads], 1)
        if len(self.heads) > 1:
            heads = heads.log_softmax(1)
        return x, heads, heads.sum(1)
