"""Dual-direction attention of DDAMFN.

Paper: A Dual-Direction Attention Mixed Feature Network for Facial Expression Recognition,
https://doi.org/10.3390/electronics12173595
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmfer.registry import MODELS

from ..layers import BatchNorm2d, CoordinateAttention


class LinearDepthwise(nn.Module):
    """A weighted sum over H, over W or over both, channel by channel, and batch normalisation; no activation."""

    def __init__(self, channels: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel, groups=channels, bias=False)
        self.bn = BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


@MODELS.register_module()
class DDAMFNNeck(BaseModule):
    r"""Attention heads that look along rows and columns of the last map of a backbone, and their fusion (DDAMFN).

    Paper: https://doi.org/10.3390/electronics12173595

    .. math::
        A_i = \operatorname{attention}_i(M), \quad x = \operatorname{linear}(M \odot \max_i A_i)

    The attention heads are coordinate attention whose means over rows and columns are learned; the linear layer is a
    depthwise convolution of the size of the map. ``DDAMFNHead`` reads both items, any other head the last one.

    Args:
        in_channels: C, the channels of the backbone's last map.
        feature_size: H and W, its side: a 16th of the input behind a MixedFeatureNet.
        num_heads: N.
        init_cfg: Initialisation.

    Raises:
        ValueError: If there is no head, or a map has another size.
    """

    def __init__(
        self, in_channels: int = 512, feature_size: int = 7, num_heads: int = 2, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if num_heads < 1:
            raise ValueError(f'num_heads={num_heads}: at least one')
        self.feature_size = feature_size
        self.heads = nn.ModuleList(
            CoordinateAttention(
                in_channels,
                rows=LinearDepthwise(in_channels, (1, feature_size)),
                columns=LinearDepthwise(in_channels, (feature_size, 1)),
            )
            for _ in range(num_heads)
        )
        self.linear = LinearDepthwise(in_channels, (feature_size, feature_size))

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """``(..., (B, C, H, W))`` to the attention (B, N, C, H, W) and the feature x (B, C)."""
        x = feats[-1]
        if x.shape[2:] != (self.feature_size, self.feature_size):
            raise ValueError(
                f'DDAMFNNeck is built for maps of {self.feature_size}x{self.feature_size}, got '
                f'{x.shape[2]}x{x.shape[3]}: resize the images (112x112 pixels give 7x7 behind a MixedFeatureNet), or '
                'set feature_size to the side of the maps'
            )
        attention = torch.stack([head(x) for head in self.heads], 1)
        return attention, self.linear(x * attention.amax(1)).flatten(1)
