from __future__ import annotations

import torch
from torch import Tensor, nn


class CoordinateAttention(nn.Module):
    r"""Attention to rows and to columns: ``(B, C, H, W)`` to weights in (0, 1) of the same shape.

    Paper: Coordinate Attention for Efficient Mobile Network Design, https://arxiv.org/abs/2103.02907

    .. math::
        r, c = f([\operatorname{rows}(x), \operatorname{columns}(x)]), \quad
        A_{hw} = \operatorname{sigmoid}(W_r r_h) \operatorname{sigmoid}(W_c c_w)

    f is a 1x1 convolution to fewer channels, batch normalisation and hard swish, shared by both directions.

    Args:
        channels: C.
        rows: Reduces a map to its rows, ``(B, C, H, W) -> (B, C, H, 1)``; the mean by default.
        columns: Likewise to its columns, ``(B, C, 1, W)``.
        reduction: f has C / ``reduction`` channels, and at least 8.
    """

    def __init__(
        self, channels: int, rows: nn.Module | None = None, columns: nn.Module | None = None, reduction: int = 32
    ) -> None:
        super().__init__()
        hidden = max(8, channels // reduction)
        self.rows, self.columns = rows, columns
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.bn = nn.BatchNorm2d(hidden)
        self.act = nn.Hardswish()
        self.row_weights = nn.Conv2d(hidden, channels, 1)
        self.column_weights = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.mean(3, keepdim=True) if self.rows is None else self.rows(x)
        columns = x.mean(2, keepdim=True) if self.columns is None else self.columns(x)
        both = self.act(self.bn(self.reduce(torch.cat([rows, columns.transpose(2, 3)], 2))))
        rows, columns = both.split([rows.shape[2], columns.shape[3]], 2)
        return self.row_weights(rows).sigmoid() * self.column_weights(columns.transpose(2, 3)).sigmoid()
