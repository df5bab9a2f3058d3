"""Blocks of the networks as inference runs them: folded, and with as few passes over the maps as possible."""

from __future__ import annotations

import torch
from mmpretrain.models.backbones.resnet import BasicBlock, Bottleneck
from torch import Tensor, nn

from mmfer.models.backbones.ir_net import IRUnit
from mmfer.models.layers import MLP, ClassTokenEncoder, CrossFusion
from mmfer.models.necks.pyramid_fusion import Gate, TokenEmbed

from .folding import affine
from .packed import FusedConv2d, FusedLinear


class FastIRUnit(nn.Module):
    """:class:`IRUnit` with its second batch normalisation folded and the shortcut added by the last convolution."""

    def __init__(self, unit: IRUnit, packed: bool) -> None:
        super().__init__()
        norm, conv1, act, conv2, _, *se = unit.residual
        scale, shift = (None, None) if isinstance(norm, nn.Identity) else affine(norm)
        self.register_buffer('scale', scale)
        self.register_buffer('shift', shift)
        self.conv1, self.act, self.conv2 = FusedConv2d(conv1, packed=packed), act, FusedConv2d(conv2, packed=packed)
        self.se = nn.Sequential(*se) if se else None
        self.shortcut = unit.shortcut

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.shortcut(x)
        if self.scale is not None:
            x = torch.addcmul(self.shift, x, self.scale)
        x = self.act(self.conv1(x))
        return self.conv2(x, shortcut) if self.se is None else self.se(self.conv2(x)) + shortcut


class FastResBlock(nn.Module):
    """mmpretrain's :class:`BasicBlock` or :class:`Bottleneck` with folded batch normalisation; ReLUs in the layers."""

    def __init__(self, block: BasicBlock | Bottleneck, packed: bool) -> None:
        super().__init__()
        convs = [block.conv1, block.conv2] + ([block.conv3] if isinstance(block, Bottleneck) else [])
        self.convs = nn.ModuleList(FusedConv2d(conv, 'relu', packed) for conv in convs)
        self.downsample = block.downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        for conv in self.convs[:-1]:
            x = conv(x)
        return self.convs[-1](x, shortcut)


class FastCrossFusion(nn.Module):
    """:class:`CrossFusion` with its layer scales in the linear layers and the position bias looked up once."""

    def __init__(self, fusion: CrossFusion) -> None:
        super().__init__()
        self.norm1, self.attn, self.norm2, self.mlp = fusion.norm1, fusion.attn, fusion.norm2, fusion.mlp
        for linear, scale in ((self.attn.proj, fusion.gamma1), (self.mlp.fc2, fusion.gamma2)):
            linear.weight.data = linear.weight.data * scale.data[:, None]
            linear.bias.data = linear.bias.data * scale.data
        self.attn.fix_bias()

    def forward(self, image: Tensor, landmark: Tensor) -> Tensor:
        x = self.norm1(image)
        x = self.attn(x, landmark).add_(x)
        return self.mlp(self.norm2(x)).add_(x)


def fast_blocks(model: nn.Module, packed: bool) -> nn.Module:
    """A folded model in eval mode whose blocks, convolutions and linear layers are those above; changed in place."""
    cls = type(model)
    if cls is IRUnit and isinstance(model.residual[4], nn.Identity):
        return _below(FastIRUnit(model, packed), packed)
    if cls in (BasicBlock, Bottleneck) and _is_plain(model):
        return _below(FastResBlock(model, packed), packed)
    if cls is CrossFusion:
        model = FastCrossFusion(model)
    elif cls is MLP and type(model.act) is nn.GELU and model.act.approximate == 'none':
        model.fc1, model.act = FusedLinear(model.fc1, 'gelu', packed), nn.Identity()
    elif cls is TokenEmbed and type(model.act) is nn.GELU and model.act.approximate == 'none':
        convs = [FusedConv2d(conv, 'gelu', packed) for conv in model.convs]
        model.convs, model.act = nn.ModuleList(convs), nn.Identity()
    elif cls is ClassTokenEncoder:
        # The last block computes one token an image. For few rows packed weights are slower, and of qkv it reads parts.
        for block in model.blocks[:-1]:
            _below(block, packed)
        return model
    elif cls is Gate:
        return model
    elif cls is nn.Conv2d and packed and model.padding_mode == 'zeros' and not isinstance(model.padding, str):
        return FusedConv2d(model, packed=packed)
    elif cls is nn.Linear and packed:
        return FusedLinear(model, packed=packed)
    return _below(model, packed)


def _below(model: nn.Module, packed: bool) -> nn.Module:
    for name, child in list(model.named_children()):
        setattr(model, name, fast_blocks(child, packed))
    return model


def _is_plain(block: BasicBlock | Bottleneck) -> bool:
    norms = [getattr(block, name) for name in ('norm1', 'norm2', 'norm3') if hasattr(block, name)]
    return type(block.relu) is nn.ReLU and all(isinstance(norm, nn.Identity) for norm in norms)
