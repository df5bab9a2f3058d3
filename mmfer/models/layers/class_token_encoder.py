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
        if num_queries is not None:
            return self.proj(self._ask(x, num_queries))
        query, key, value = (
            t.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for t in self.qkv(x).chunk(3, dim=-1)
        )
        out = F.scaled_dot_product_attention(query, key, value)
        return self.proj(out.transpose(1, 2).flatten(2))

    def _ask(self, x: Tensor, num_queries: int) -> Tensor:
        r"""The same without a key and a value for every token.

        .. math::
            q \cdot (W_k x_n + b_k) = (W_k^T q) \cdot x_n + const, \quad
            \sum_n a_n (W_v x_n + b_v) = W_v \sum_n a_n x_n + b_v

        The constant is the same for all tokens, and a softmax does not see it.
        """
        b, n, c = x.shape[0], num_queries, x.shape[-1]
        h = self.num_heads
        bias = self.qkv.bias
        asking, keys, values = self.qkv.weight.unflatten(0, (3, h, -1))  # (h, c / h, c) each
        query = F.linear(x[:, :n], asking.flatten(0, 1), bias[:c]) * (c // h) ** -0.5
        query = query.reshape(b * n, h, -1).transpose(0, 1) @ keys  # (h, b n, c)
        query = query.view(h, b, n, c).transpose(0, 1).flatten(1, 2)
        mean = (query @ x.transpose(1, 2)).softmax(-1) @ x  # (b, h n, c)
        mean = mean.view(b, h, n, c).transpose(0, 1).reshape(h, b * n, c)
        out = (mean @ values.transpose(1, 2)).transpose(0, 1)  # (b n, h, c / h)
        return out.reshape(b, n, c) + bias[2 * c :]


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
