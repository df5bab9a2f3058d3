from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .mlp import MLP


class SelfAttention(nn.Module):
    """Multi-head self-attention in which only the first ``num_queries`` tokens may ask."""

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(f'num_heads={num_heads} does not divide channels={channels}')
        self.num_heads = num_heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor, num_queries: int | None = None) -> Tensor:
        """``(B, N, C) -> (B, num_queries or N, C)``."""
        c = x.shape[-1]
        if num_queries is None:
            qkv = self.qkv(x).chunk(3, dim=-1)
        else:
            weight, bias = self.qkv.weight, self.qkv.bias
            query = F.linear(x[:, :num_queries], weight[:c], bias[:c])
            qkv = (query, *F.linear(x, weight[c:], bias[c:]).chunk(2, dim=-1))
        query, key, value = (t.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for t in qkv)
        out = F.scaled_dot_product_attention(query, key, value)
        return self.proj(out.transpose(1, 2).flatten(2))


class EncoderBlock(nn.Module):
    """Pre-norm transformer block; with ``num_queries`` it computes only these first tokens."""

    def __init__(self, channels: int, num_heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)
        self.attn = SelfAttention(channels, num_heads)
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.mlp = MLP(channels, mlp_ratio)

    def forward(self, x: Tensor, num_queries: int | None = None) -> Tensor:
        x = x[:, :num_queries] + self.attn(self.norm1(x), num_queries)
        return x + self.mlp(self.norm2(x))


class ClassTokenEncoder(nn.Module):
    """Vision transformer encoder that returns its class token: ``(B, N, C) -> (B, C)``.

    Paper: https://arxiv.org/abs/2010.11929. Of the last block only the class token is read, so only it is computed; the
    result is the same.

    Args:
        channels: C.
        num_tokens: N, without the class token.
        depth: Blocks, at least one.
        num_heads: Attention heads.
        mlp_ratio: Hidden width of the MLPs in multiples of C.
    """

    def __init__(
        self, channels: int, num_tokens: int, depth: int = 2, num_heads: int = 8, mlp_ratio: float = 4.0
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f'depth={depth}: the encoder needs at least one block')
        self.cls_token = nn.Parameter(torch.empty(1, 1, channels))
        self.pos_embed = nn.Parameter(torch.empty(1, num_tokens + 1, channels))
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.blocks = nn.ModuleList(EncoderBlock(channels, num_heads, mlp_ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, tokens: Tensor) -> Tensor:
        x = torch.cat([self.cls_token.expand(tokens.shape[0], -1, -1), tokens], dim=1) + self.pos_embed
        for block in self.blocks[:-1]:
            x = block(x)
        return self.norm(self.blocks[-1](x, num_queries=1)).squeeze(1)
