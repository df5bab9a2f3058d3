"""Convolutions and linear layers for inference, whose weights on a CPU lie as its kernels read them.

Packed weights can neither be pickled nor copied: layers give their plain weights away, and pack what they are given.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ACTIVATIONS = dict(none=lambda x: x, relu=torch.relu, gelu=F.gelu)
# A call of oneDNN takes 20 to 40 microseconds however little it computes, PyTorch's other kernels a third of that. It
# chooses them for one image with maps up to this size; layers with fewer weights than these are left to that choice.
SMALL_MAP, SMALL_CONV, SMALL_LINEAR = 20_480, 2**17, 2**16


@cache
def can_pack() -> bool:
    """Whether this build of PyTorch can pack weights for oneDNN, the library of its convolutions on CPUs."""
    if not torch.backends.mkldnn.is_available():
        return False
    with torch.inference_mode(False), torch.no_grad():
        try:
            conv, linear = nn.Conv2d(2, 2, 3), nn.Linear(256, 256)  # large enough to be packed
            FusedConv2d(conv, packed=True)(torch.zeros(1, 2, 130, 130), torch.zeros(1, 2, 128, 128))
            FusedLinear(linear, packed=True)(torch.zeros(1, 256))
        except (AttributeError, RuntimeError, NotImplementedError):
            return False
    return True


class FusedConv2d(nn.Module):
    """``act(conv(x) + add)`` in one step on a CPU: ``(B, C, H, W) -> (B, C', H', W')``, float32.

    PyTorch brings the weights of a convolution into the order of its kernels in every call, which at one image takes a
    quarter of the time of POSTER-Var. Here that is done once for the size of the maps, unless they and the weights are
    small. Maps are in channels-last.

    Args:
        conv: The convolution; its weights are taken over.
        act: ``'none'``, ``'relu'`` or ``'gelu'``.
        packed: Whether weights are packed where it pays; needs :func:`can_pack` and a CPU.
    """

    def __init__(self, conv: nn.Conv2d, act: str = 'none', packed: bool = False) -> None:
        super().__init__()
        if isinstance(conv.padding, str) or conv.padding_mode != 'zeros':
            raise ValueError(f'padding={conv.padding!r}, padding_mode={conv.padding_mode!r}: only numbers and zeros')
        self.act, self.packed = act, packed
        self.padding, self.stride, self.dilation = conv.padding, conv.stride, conv.dilation
        self.groups = conv.groups
        self.register_buffer('bias', None if conv.bias is None else conv.bias.detach())
        self._weight, self._size = (conv.weight.detach() if packed else None), None  # buffers cannot be packed
        self.register_buffer('weight', None if packed else conv.weight.detach())

    def forward(self, x: Tensor, add: Tensor | None = None) -> Tensor:
        weight = self.weight
        if self.packed:
            x = x.contiguous(memory_format=torch.channels_last)
            weight = self._weight_for(x)
        if not weight.is_mkldnn:
            y = F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
            return ACTIVATIONS[self.act](y if add is None else y + add)
        rest = self.padding, self.stride, self.dilation, self.groups
        if add is None:
            return torch.ops.mkldnn._convolution_pointwise(x, weight, self.bias, *rest, self.act, [], 'none')
        add = add.contiguous(memory_format=torch.channels_last)
        relu = 'relu' if self.act == 'relu' else None  # what else can follow a sum in the same step: nothing
        y = torch.ops.mkldnn._convolution_pointwise(x, add, weight, self.bias, *rest, 'add', None, relu, [], None)
        return y if relu else ACTIVATIONS[self.act](y)

    def __getstate__(self) -> dict[str, Any]:
        return dict(vars(self), _weight=_plain(self._weight), _size=None)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self.packed and not can_pack():
            self.packed, self.weight, self._weight = False, self._weight, None

    def _weight_for(self, x: Tensor) -> Tensor:
        """The weights in the order for maps of this size, which does not depend on the size of the batch."""
        size = tuple(x.shape[2:])
        if size != self._size:
            weight = _plain(self._weight)
            if x.shape[1:].numel() <= SMALL_MAP and weight.numel() < SMALL_CONV:
                weight = weight.contiguous(memory_format=torch.channels_last)
            else:
                rest = self.padding, self.stride, self.dilation, self.groups
                weight = torch.ops.mkldnn._reorder_convolution_weight(weight, *rest, list(x.shape))
            self._weight, self._size = weight, size
        return self._weight

    def extra_repr(self) -> str:
        return f'stride={self.stride}, padding={self.padding}, groups={self.groups}, act={self.act}'


class FusedLinear(nn.Module):
    """``act(linear(x))`` in one step on a CPU: ``(..., C) -> (..., C')``, float32.

    Args:
        linear: The layer; its weights are taken over.
        act: ``'none'``, ``'relu'`` or ``'gelu'``.
        packed: Whether weights are packed where it pays; needs :func:`can_pack` and a CPU.
    """

    def __init__(self, linear: nn.Linear, act: str = 'none', packed: bool = False) -> None:
        super().__init__()
        self.act, self.packed = act, packed and linear.weight.numel() >= SMALL_LINEAR
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.register_buffer('bias', None if linear.bias is None else linear.bias.detach())
        self.register_buffer('weight', None)
        self._hold(linear.weight.detach())

    def _hold(self, weight: Tensor) -> None:
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight) if self.packed else None
        self.weight = None if self.packed else weight

    def __getstate__(self) -> dict[str, Any]:
        return dict(vars(self), _weight=_plain(self._weight))

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self.packed:
            self.packed = can_pack()
            self._hold(self._weight)

    def forward(self, x: Tensor) -> Tensor:
        if not self.packed:
            return ACTIVATIONS[self.act](F.linear(x, self.weight, self.bias))
        return torch.ops.mkldnn._linear_pointwise(x, self._weight, self.bias, self.act, [], 'none')

    def extra_repr(self) -> str:
        return f'in_features={self.in_features}, out_features={self.out_features}, act={self.act}'


def _plain(weight: Tensor | None) -> Tensor | None:
    return weight.to_dense() if weight is not None and weight.is_mkldnn else weight
