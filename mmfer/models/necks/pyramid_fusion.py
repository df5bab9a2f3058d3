"""Fusion of the image and landmark pyramids: POSTER++ and POSTER-Var.

Papers: POSTER++: A simpler and stronger facial expression recognition network, https://arxiv.org/abs/2301.12149;
Facial expression recognition via variational inference, https://doi.org/10.1038/s41598-026-38734-x
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmfer.registry import MODELS

from ..layers import ClassTokenEncoder, CrossFusion


class TokenEmbed(nn.Module):
    """A fused map to tokens at the coarsest size: ``(B, C, H, W) -> (B, N, C')``.

    Args:
        in_channels: C.
        channels: C'.
        num_strides: Convolutions of stride 2; none means one 1x1 convolution.
        nonlinear: Whether a GELU follows each convolution (POSTER-Var) or none (POSTER++).
    """

    def __init__(self, in_channels: int, channels: int, num_strides: int, nonlinear: bool) -> None:
        super().__init__()
        if num_strides:
            widths = [in_channels] + [channels] * num_strides
            convs = [nn.Conv2d(widths[i], widths[i + 1], 3, 2, 1) for i in range(num_strides)]
        else:
            convs = [nn.Conv2d(in_channels, channels, 1)]
        self.convs = nn.ModuleList(convs)
        self.act = nn.GELU() if nonlinear else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = self.act(conv(x))
        return x.flatten(2).transpose(1, 2)


class Gate(nn.Module):
    """Channel gate of the embedding: ``x * sigmoid(fc2(relu(fc1(x))))``, ``(B, C) -> (B, C)``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, channels)
        self.fc2 = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.fc2(torch.relu(self.fc1(x))))


@MODELS.register_module()
class PyramidFusionNeck(BaseModule):
    """Two pyramids to one embedding: window cross-attention a level, tokens, encoder, gate.

    All switches True make POSTER-Var, all False POSTER++; the paper's ablation is exactly these switches.
    Legend: L levels from fine to coarse, level i halves the size of the one before; N tokens a level.

    Args:
        image_channels: Channels of the L image maps, each halved in size by a 3x3 convolution before the fusion.
        landmark_channels: Channels of the L landmark maps; a map whose width differs from the image's is projected by a
            3x3 convolution.
        feature_sizes: Side of the maps at each level, after the halving of the image maps.
        window_sizes: Side of the attention windows at each level; None takes the whole map.
        num_heads: Heads of the cross-attention at each level.
        drop_path: Stochastic depth at each level.
        mlp_ratio: Hidden width of all MLPs in multiples of theirs.
        layer_scale: Initial scale of the fusion's branches.
        embed_dims: C, width of the tokens and of the embedding.
        depth: Encoder blocks.
        encoder_heads: Heads of the encoder.
        nonlinear: GELU after each token convolution.
        layer_embed: A learned vector for each level, zero at first, is added to its tokens.
        token_norm: LayerNorm over the concatenated tokens.
        init_cfg: Initialisation of the whole.

    Raises:
        ValueError: If the arguments given a level differ in length, or the maps do not fit them.
    """

    def __init__(
        self,
        image_channels: Sequence[int] = (64, 128, 256),
        landmark_channels: Sequence[int] = (64, 128, 512),
        feature_sizes: Sequence[int] = (28, 14, 7),
        window_sizes: Sequence[int] | None = None,
        num_heads: Sequence[int] = (2, 4, 8),
        drop_path: Sequence[float] = (0.0, 0.125, 0.25),
        mlp_ratio: float = 4.0,
        layer_scale: float = 1e-5,
        embed_dims: int = 768,
        depth: int = 2,
        encoder_heads: int = 8,
        nonlinear: bool = True,
        layer_embed: bool = True,
        token_norm: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        window_sizes = feature_sizes if window_sizes is None else window_sizes
        levels = len(image_channels)
        for name, value in dict(
            landmark_channels=landmark_channels,
            feature_sizes=feature_sizes,
            window_sizes=window_sizes,
            num_heads=num_heads,
            drop_path=drop_path,
        ).items():
            if len(value) != levels:
                raise ValueError(f'{name} has {len(value)} entries, image_channels has {levels}: one a level')
        for i in range(1, levels):
            if feature_sizes[i] != (feature_sizes[i - 1] + 1) // 2:
                raise ValueError(f'feature_sizes={tuple(feature_sizes)}: each level must be half the one before')
        self.feature_sizes = tuple(feature_sizes)
        self.image_projections = nn.ModuleList(nn.Conv2d(c, c, 3, 2, 1) for c in image_channels)
        self.landmark_projections = nn.ModuleList(
            nn.Identity() if a == b else nn.Conv2d(a, b, 3, 1, 1) for a, b in zip(landmark_channels, image_channels)
        )
        self.fusions = nn.ModuleList(
            CrossFusion(c, heads, window, mlp_ratio, drop, layer_scale)
            for c, heads, window, drop in zip(image_channels, num_heads, window_sizes, drop_path)
        )
        self.token_embeds = nn.ModuleList(
            TokenEmbed(c, embed_dims, levels - 1 - i, nonlinear) for i, c in enumerate(image_channels)
        )
        self.level_embed = nn.Parameter(torch.zeros(levels, 1, embed_dims)) if layer_embed else None
        self.token_norm = nn.LayerNorm(embed_dims) if token_norm else nn.Identity()
        num_tokens = levels * feature_sizes[-1] ** 2
        self.encoder = ClassTokenEncoder(embed_dims, num_tokens, depth, encoder_heads, mlp_ratio)
        self.gate = Gate(embed_dims)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor]:
        """L landmark maps, then L image maps, each ``(B, C_i, H_i, W_i)``, to ``((B, C),)``."""
        levels = len(self.fusions)
        if len(maps) != 2 * levels:
            raise ValueError(f'expected {levels} landmark and {levels} image maps, got {len(maps)} maps')
        tokens = []
        for i in range(levels):
            landmark = self.landmark_projections[i](maps[i])
            image = self.image_projections[i](maps[levels + i])
            size = self.feature_sizes[i]
            if image.shape[2:] != (size, size) or landmark.shape != image.shape:
                raise ValueError(
                    f'level {i}: image map {tuple(image.shape[1:])}, landmark map {tuple(landmark.shape[1:])}, but '
                    f'feature_sizes says {size}x{size} for both: set input_size of the backbone or feature_sizes'
                )
            fused = self.fusions[i](image.permute(0, 2, 3, 1), landmark.permute(0, 2, 3, 1))
            level = self.token_embeds[i](fused.permute(0, 3, 1, 2))
            tokens.append(level if self.level_embed is None else level + self.level_embed[i])
        return (self.gate(self.encoder(self.token_norm(torch.cat(tokens, dim=1)))),)
