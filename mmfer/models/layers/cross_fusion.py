from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import StochasticDepth

from .mlp import MLP


def _relative_position_index(size: int) -> Tensor:
    """Index of the offset between any two cells of a ``size`` x ``size`` window: ``(size**2, size**2)``."""
    cells = torch.cartesian_prod(torch.arange(size), torch.arange(size))
    offset = cells[:, None] - cells[None] + size - 1
    return offset[..., 0] * (2 * size - 1) + offset[..., 1]


class WindowCrossAttention(nn.Module):
    """Attention of landmark queries over image tokens inside windows, with relative position bias.

    The query is the landmark map itself, without projection; key and value are one linear layer of the image tokens.

    Args:
        channels: C, of both maps.
        num_heads: Attention heads.
        window_size: Side S of a window; a map as large as the window is one window.
    """

    def __init__(self, channels: int, num_heads: int, window_size: int) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(f'num_heads={num_heads} does not divide channels={channels}')
        self.num_heads = num_heads
        self.window_size = window_size
        self.kv = nn.Linear(channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window_size - 1) ** 2, num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer('relative_position_index', _relative_position_index(window_size), persistent=False)

    def bias(self) -> Tensor:
        """What is added to the scores by the offset of two cells: ``(1, heads, S * S, S * S)``."""
        return self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1).unsqueeze(0)

    def _windows(self, x: Tensor) -> Tensor:
        """``(B, H, W, C) -> (B * windows, S * S, C)``."""
        size = self.window_size
        b, h, w, c = x.shape
        if h % size or w % size:
            raise ValueError(
                f'a {h}x{w} map cannot be cut into windows of {size}: set feature_sizes and window_sizes of the neck '
                'to what the backbone gives at this input size'
            )
        x = x.view(b, h // size, size, w // size, size, c).transpose(2, 3)
        return x.reshape(-1, size * size, c)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def forward(self, image: Tensor, landmark: Tensor) -> Tensor:
        """``(B, H, W, C), (B, H, W, C) -> (B, H, W, C)``."""
        b, h, w, c = image.shape
        size = self.window_size
        query = self._heads(self._windows(landmark))
        key, value = (self._heads(x) for x in self.kv(self._windows(image)).chunk(2, dim=-1))
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=self.bias().to(query.dtype))
        out = self.proj(out.transpose(1, 2).flatten(2))
        out = out.view(b, h // size, w // size, size, size, c).transpose(2, 3)
        return out.reshape(b, h, w, c)


class CrossFusion(nn.Module):
    """One level of the pyramid: the landmark map asks the image map.

    ::

        s = LN(image)
        x = s + DropPath(gamma1 * Attention(query=landmark, key=value=s))
        y = x + DropPath(gamma2 * MLP(LN(x)))

    Args:
        channels: C, of both maps.
        num_heads: Attention heads.
        window_size: Side of an attention window.
        mlp_ratio: Hidden width of the MLP in multiples of C.
        drop_path: Probability that a sample skips a branch while training.
        layer_scale: Initial value of gamma1 and gamma2.
    """

    def __init__(
        self,
        channels: int,
        num_heads: int,
        window_size: int,
        mlp_ratio: float = 4.0,
        drop_path: float = 0.0,
        layer_scale: float = 1e-5,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowCrossAttention(channels, num_heads, window_size)
        self.gamma1 = nn.Parameter(torch.full((channels,), layer_scale))
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = MLP(channels, mlp_ratio)
        self.gamma2 = nn.Parameter(torch.full((channels,), layer_scale))
        self.drop_path = StochasticDepth(drop_path, mode='row')

    def forward(self, image: Tensor, landmark: Tensor) -> Tensor:
        """``(B, H, W, C), (B, H, W, C) -> (B, H, W, C)``."""
        shortcut = self.norm1(image)
        x = shortcut + self.drop_path(self.gamma1 * self.attn(shortcut, landmark))
        return x + self.drop_path(self.gamma2 * self.mlp(self.norm2(x)))
