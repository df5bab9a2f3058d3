import torch
from torch import nn
from torch.nn import functional as F

from mmfer.models.layers import CoordinateAttention


def test_every_place_has_the_product_of_its_row_and_its_column():
    attention, x = CoordinateAttention(16).eval(), torch.randn(2, 16, 5, 3)
    out = attention(x)
    assert out.shape == x.shape
    assert (out > 0).all()
    assert (out < 1).all()

    def encoded(strip):  # (B, C, N)
        hidden = F.conv1d(strip, attention.reduce.weight[..., 0], attention.reduce.bias)
        return F.hardswish(hidden / (1 + attention.bn.eps) ** 0.5)

    rows = F.conv1d(encoded(x.mean(3)), attention.row_weights.weight[..., 0], attention.row_weights.bias)
    columns = F.conv1d(encoded(x.mean(2)), attention.column_weights.weight[..., 0], attention.column_weights.bias)
    by_hand = rows.sigmoid()[:, :, :, None] * columns.sigmoid()[:, :, None]
    torch.testing.assert_close(out, by_hand, rtol=0, atol=1e-6)


def test_widths_and_own_reductions():
    assert CoordinateAttention(16).reduce.out_channels == 8
    assert CoordinateAttention(512).reduce.out_channels == 16
    rows = nn.Conv2d(16, 16, (1, 3), groups=16)
    columns = nn.Conv2d(16, 16, (3, 1), groups=16)
    attention = CoordinateAttention(16, rows=rows, columns=columns)
    attention(torch.randn(2, 16, 3, 3)).sum().backward()
    assert all(p.grad is not None for p in attention.parameters())
    assert len([*rows.parameters(), *columns.parameters()]) == 4
