"""Batch normalisation folded into the convolution or linear layer before it: the same function, one step less."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import torch
from mmcv.cnn import ConvModule
from mmpretrain.models.backbones.resnet import BasicBlock, Bottleneck, ResNet
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from mmfer.models.backbones.ir_net import IRNet
from mmfer.models.backbones.mobile_face_net import ConvBlock, LandmarkHead
from mmfer.models.layers import CoordinateAttention
from mmfer.models.necks.dan_neck import ChannelAttention
from mmfer.models.necks.ddamfn_neck import LinearDepthwise

FAR = 30  # times the mean and deviation of a map; a shift of this size costs one and a half of its seven digits
# Names of layers that run one right after the other, by the class that runs them.
_PAIRS = (
    (ConvBlock, (('conv', 'bn'),)),
    (LandmarkHead, (('linear', 'bn'),)),
    (CoordinateAttention, (('reduce', 'bn'),)),
    (ChannelAttention, (('fc1', 'bn'),)),
    (LinearDepthwise, (('conv', 'bn'),)),
    (BasicBlock, (('conv1', 'bn1'), ('conv2', 'bn2'))),
    (Bottleneck, (('conv1', 'bn1'), ('conv2', 'bn2'), ('conv3', 'bn3'))),
    (ResNet, (('conv1', 'bn1'),)),
)


@torch.no_grad()
def fold_batch_norms(model: nn.Module) -> int:
    """Fold, in place, the batch normalisation of a model in eval mode wherever a layer of weights comes right before.

    Where it comes before a convolution that pads with zeros (the units of IR-Net) it stays: the padding is not
    normalised, so the weights alone cannot hold it. Modules other than mmfer's, those of ResNet, ``ConvModule`` and
    ``nn.Sequential`` are left as they are; so are layers that run at more than one place.

    Returns:
        How many were folded.

    Raises:
        ValueError: If a layer is in training mode, whose statistics are those of the batch.
    """
    places = Counter(id(module) for _, module in model.named_modules(remove_duplicate=False))
    count = 0
    for parent in list(model.modules()):
        for first, second in _neighbours(parent):
            layer, norm = getattr(parent, first, None), getattr(parent, second, None)
            if not isinstance(norm, _BatchNorm) or not isinstance(layer, (nn.Conv2d, nn.Linear)):
                continue
            if norm.training:
                raise ValueError('batch normalisation in training mode cannot be folded: call model.eval() first')
            if norm.running_var is None or places[id(layer)] > 1 or places[id(norm)] > 1:
                continue
            fuse = fuse_linear_bn_eval if isinstance(layer, nn.Linear) else fuse_conv_bn_eval
            setattr(parent, first, fuse(layer, norm))
            setattr(parent, second, nn.Identity())
            count += 1
    return count


@torch.no_grad()
def fold_shifts(model: nn.Module) -> int:
    r"""Fold, in place, the batch normalisation that IR-Net's units begin with, after :func:`fold_batch_norms`.

    Before a padded convolution the scale :math:`s` can go into the weights, the shift :math:`t` cannot: zeros of the
    padding are not shifted. But the unit before can give its map shifted by :math:`d = t / s`, which costs nothing: the
    bias of its last convolution holds it. What reaches this unit by the shortcut is shifted as well, and is taken back
    by the bias of its own last convolution.

    .. math::
        s x + t = s (x + d), \quad b_{k - 1} \gets b_{k - 1} + d_k - d_{k - 1}

    The first unit of a stage, whose input others may read, keeps its own, and so do units with squeeze and excitation
    and those in which :math:`d` is far beyond the values of the map, where digits would be lost.

    Returns:
        How many were folded.
    """
    count = 0
    for stage in [stage for net in model.modules() if type(net) is IRNet for stage in net.stages]:
        for before, unit in zip(stage, list(stage)[1:]):
            norm, conv, last = (unit.residual[i] for i in (0, 1, 3))
            previous = before.residual[3]
            ends = len(unit.residual) == len(before.residual) == 5 and None not in (last.bias, previous.bias)
            if not ends or not isinstance(unit.shortcut, nn.Identity) or not isinstance(norm, nn.BatchNorm2d):
                continue
            scale, shift = (value.flatten() for value in affine(norm))
            moved = shift / scale
            if not bool((moved.abs() <= FAR * (norm.running_var.sqrt() + norm.running_mean.abs())).all()):
                continue
            unit.residual[0] = nn.Identity()
            conv.weight.mul_(scale.view(1, -1, 1, 1))
            previous.bias.add_(moved)
            last.bias.sub_(moved)
            count += 1
    return count


def affine(norm: _BatchNorm) -> tuple[torch.Tensor, torch.Tensor]:
    """The scale and shift, (1, C, 1, 1) each, that batch normalisation is in eval mode."""
    scale = (norm.running_var + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = -norm.running_mean * scale
    if norm.bias is not None:
        shift = shift + norm.bias
    return tuple(value.detach().clone().view(1, -1, 1, 1) for value in (scale, shift))


def _neighbours(parent: nn.Module) -> Iterator[tuple[str, str]]:
    if isinstance(parent, nn.Sequential) and type(parent).forward is nn.Sequential.forward:
        names = [name for name, _ in parent.named_children()]
        yield from zip(names, names[1:])
    if isinstance(parent, ConvModule) and tuple(parent.order[:2]) == ('conv', 'norm') and parent.with_norm:
        yield 'conv', parent.norm_name
    for cls, pairs in _PAIRS:
        if isinstance(parent, cls):
            yield from pairs
