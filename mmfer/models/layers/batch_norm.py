from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class _SingleImage:
    """Trains also on a batch that has one value a channel.

    One value has no statistics, so it is normalised by the running ones, as in evaluation, and these stay as they are.
    PyTorch raises an error instead, at the end of each epoch whose last batch has one image.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.numel() == x.shape[1]:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        return super().forward(x)


class BatchNorm1d(_SingleImage, nn.BatchNorm1d):
    """``nn.BatchNorm1d`` of features (B, C) that also trains on one image, by the running statistics."""


class BatchNorm2d(_SingleImage, nn.BatchNorm2d):
    """``nn.BatchNorm2d`` of maps (B, C, H, W) that also trains on one map of one place, by the running statistics."""
