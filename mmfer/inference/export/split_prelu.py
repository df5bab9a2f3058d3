"""PReLU in operations that onnxruntime has quick code for."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

LARGEST = 0.99  # slope; the division below is ill-conditioned near 1 and the formula wrong beyond


class SplitPReLU(nn.Module):
    r"""PReLU of maps (B, C, H, W) with slopes below 1, as a sum whose parts run in the layout of the convolutions.

    .. math::
        prelu(x) = relu(z) + \frac{a}{1 - a} z, \quad z = (1 - a) x

    On a CPU, onnxruntime keeps maps in blocks of channels between convolutions. Its PReLU cannot read those: each one
    costs two changes of layout besides a slow loop, together a tenth of the time of POSTER-Var. It has relu and
    convolutions with one weight a channel in that layout, and moves the factor 1 - a into the convolution before.

    Args:
        slope: a (C,).
    """

    def __init__(self, slope: Tensor) -> None:
        super().__init__()
        slope = slope.detach()
        self.register_buffer('slope', slope)
        self.register_buffer('before', (1 - slope)[:, None, None])
        self.register_buffer('share', (slope / (1 - slope))[:, None, None, None])

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4:
            return F.prelu(x, self.slope)
        z = x * self.before
        return z.relu() + F.conv2d(z, self.share, groups=len(self.share))


def split_prelus(model: nn.Module) -> int:
    """Replace, in place, the PReLUs of a model by quicker modules where their slopes allow it; how many."""
    count = 0
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if not isinstance(child, nn.PReLU):
                continue
            if len(child.weight) == 1:
                setattr(parent, name, nn.LeakyReLU(float(child.weight)))
            elif bool((child.weight < LARGEST).all()):
                setattr(parent, name, SplitPReLU(child.weight))
            else:
                continue
            count += 1
    return count
