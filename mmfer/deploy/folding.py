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

from mmfer.models.backbones.mobile_face_net import ConvBlock, LandmarkHead
from mmfer.models.layers import CoordinateAttention
from mmfer.models.necks.dan_neck import ChannelAttention
from mmfer.models.necks.ddamfn_neck import LinearDepthwise

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
