"""Cross-fusion of image and landmark tokens at three widths: POSTER.

Paper: POSTER: A Pyramid Cross-Fusion Transformer Network for Facial Expression Recognition,
https://arxiv.org/abs/2204.04083
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import StochasticDepth

from mmfer.registry import MODELS

from ..layers import MLP
from .pyramid_fusion import Gate


class StreamAttention(nn.Module):
    """Attention over the tokens of one stream; the query is those of the other as they come, without projection."""

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.kv = nn.Linear(channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, own: Tensor, query: Tensor) -> Tensor:
        """``(B, N, C), (B, N, C) -> (B, N, C)``."""
        tokens = (query, *self.kv(own).chunk(2, dim=-1))
        query, key, value = (t.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for t in tokens)
        return self.proj(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class StreamFusion(nn.Module):
    """One stream is asked by the other.

    ::

        x = own + DropPath(Attention(query=LN(other), key=value=LN(own)))
        y = x + DropPath(MLP(LN'(x)))
    """

    def __init__(self, channels: int, num_heads: int, mlp_ratio: float, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)  # of both streams
        self.attn = StreamAttention(channels, num_heads)
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.mlp = MLP(channels, mlp_ratio)
        self.drop_path = StochasticDepth(drop_path, mode='row')

    def forward(self, own: Tensor, other: Tensor) -> Tensor:
        """``(B, N, C), (B, N, C) -> (B, N, C)``."""
        x = own + self.drop_path(self.attn(self.norm1(own), self.norm1(other)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class CrossFusionBlock(nn.Module):
    """Both streams ask each other, then a linear map over the places mixes their tokens: ``(B, 2N, C)``, image first.

    The map has no shortcut: each token behind it is a weighted sum of all tokens before it.
    """

    def __init__(self, num_tokens: int, channels: int, num_heads: int, mlp_ratio: float, drop_path: float) -> None:
        super().__init__()
        self.image = StreamFusion(channels, num_heads, mlp_ratio, drop_path)
        self.landmark = StreamFusion(channels, num_heads, mlp_ratio, drop_path)
        self.mix = nn.Conv1d(num_tokens, num_tokens, 1)

    def forward(self, x: Tensor) -> Tensor:
        image, landmark = x.chunk(2, dim=1)
        return self.mix(torch.cat([self.image(image, landmark), self.landmark(landmark, image)], dim=1))


class PyramidBlock(nn.Module):
    """A fusion block at each width, C, C / 2, C / 4, ...; behind it each width takes in what the next one gives."""

    def __init__(self, num_tokens: int, widths: Sequence[int], num_heads: int, ratio: float, drop_path: float) -> None:
        super().__init__()
        self.scales = nn.ModuleList(CrossFusionBlock(num_tokens, c, num_heads, ratio, drop_path) for c in widths)
        self.upsamples = nn.ModuleList(nn.ConvTranspose1d(num_tokens, num_tokens, 2, 2) for _ in widths[1:])

    def forward(self, tokens: Sequence[Tensor]) -> list[Tensor]:
        """Tokens (B, 2N, C), (B, 2N, C / 2), ... to the same."""
        outs = [scale(x) for scale, x in zip(self.scales, tokens)]
        for i in reversed(range(len(self.upsamples))):
            outs[i] = outs[i] + self.upsamples[i](outs[i + 1])
        return outs


@MODELS.register_module()
class PosterPyramidNeck(BaseModule):
    """Image and landmark maps to one embedding by cross-fusion at several widths (POSTER).

    The landmark map gives a token a place, T of them. The image map is cut, in the order of its memory, channels first,
    into as many equal pieces, which a linear layer brings to the same width; so an image token is some channels of the
    whole face, not a place. Before its tokens each stream has their mean; positions are added to the image's only. The
    pyramid is one of widths: a convolution along the channels shortens the tokens. What is read is the image's mean
    token behind the last block: ``gate(LN(x))``.

    The published sizes are depth 4 (small), 6 (base) and 8 (large).

    Args:
        image_channels: Channels of the image map.
        image_size: Its side.
        landmark_channels: Channels of the landmark map; a linear layer brings others than ``embed_dims`` to it.
        feature_size: Its side; T is its square.
        embed_dims: C, width of the tokens and of the embedding.
        depth: Pyramid blocks.
        levels: Widths: C, C / 2, ..., C / 2 ** (levels - 1).
        num_heads: Attention heads, at every width.
        mlp_ratio: Hidden width of the MLPs in multiples of theirs.
        drop_path: Stochastic depth of the last block; it rises from 0 block by block.
        init_cfg: Initialisation of the whole.

    Raises:
        ValueError: If the image map cannot be cut into T tokens, ``num_heads`` does not divide all widths, there is
            no block, or the maps do not fit the arguments.
    """

    def __init__(
        self,
        image_channels: int = 256,
        image_size: int = 14,
        landmark_channels: int = 512,
        feature_size: int = 7,
        embed_dims: int = 512,
        depth: int = 8,
        levels: int = 3,
        num_heads: int = 8,
        mlp_ratio: float = 2.0,
        drop_path: float = 0.1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        num_tokens = feature_size**2
        if image_channels * image_size**2 % num_tokens:
            raise ValueError(
                f'image_channels={image_channels}, image_size={image_size}: {image_channels * image_size**2} numbers '
                f'cannot be cut into {num_tokens} tokens, the square of feature_size={feature_size}'
            )
        if depth < 1 or levels < 1:
            raise ValueError(f'depth={depth}, levels={levels}: at least one of each')
        widths = [embed_dims >> i for i in range(levels)]
        if embed_dims % (num_heads << (levels - 1)):
            raise ValueError(f'num_heads={num_heads} does not divide all widths {widths}, embed_dims halved each level')
        self.image_shape = (image_channels, image_size, image_size)
        self.landmark_shape = (landmark_channels, feature_size, feature_size)
        self.image_projection = nn.Linear(image_channels * image_size**2 // num_tokens, embed_dims)
        same = landmark_channels == embed_dims
        self.landmark_projection = nn.Identity() if same else nn.Linear(landmark_channels, embed_dims)
        self.pos_embed = nn.Parameter(torch.empty(1, num_tokens + 1, embed_dims))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        both = 2 * (num_tokens + 1)
        self.downsamples = nn.ModuleList(nn.Conv1d(both, both, 2**i, 2**i) for i in range(1, levels))
        rates = [drop_path * i / max(1, depth - 1) for i in range(depth)]
        self.blocks = nn.ModuleList(PyramidBlock(both, widths, num_heads, mlp_ratio, rate) for rate in rates)
        self.norm = nn.LayerNorm(embed_dims, eps=1e-6)
        self.gate = Gate(embed_dims)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor]:
        """The landmark map, then the image map, each ``(B, C_i, S_i, S_i)``, to ``((B, C),)``."""
        shapes = [tuple(x.shape[1:]) for x in maps]
        if shapes != [self.landmark_shape, self.image_shape]:
            raise ValueError(
                f'expected a landmark map of {self.landmark_shape} and an image map of {self.image_shape}, got '
                f'{shapes}: set input_size and the out_indices of the streams, or the channels and sizes of the neck'
            )
        landmark, image = maps
        landmark = self.landmark_projection(landmark.flatten(2).transpose(1, 2))
        image = self.image_projection(image.flatten(1).unflatten(1, (landmark.shape[1], -1)))
        landmark, image = (torch.cat([x.mean(1, keepdim=True), x], dim=1) for x in (landmark, image))
        x = torch.cat([image + self.pos_embed, landmark], dim=1)
        tokens = [x, *(downsample(x) for downsample in self.downsamples)]
        for block in self.blocks:
            tokens = block(tokens)
        return (self.gate(self.norm(tokens[0][:, 0])),)
