from __future__ import annotations

from torch import Tensor, nn


class MLP(nn.Module):
    """Two linear layers with a GELU between, on the last axis: ``(..., C) -> (..., C)``.

    Args:
        channels: C.
        ratio: Width of the hidden layer in multiples of C.
    """

    def __init__(self, channels: int, ratio: float = 4.0) -> None:
        super().__init__()
        hidden = int(channels * ratio)
        self.fc1 = nn.Linear(channels, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))
