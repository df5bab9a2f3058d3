from .backbones import IRNet, MobileFaceNet, TwoStreamBackbone
from .heads import BaseHead, LinearHead, VICHead
from .losses import SoftCrossEntropyLoss
from .necks import PyramidFusionNeck

__all__ = [
    'BaseHead',
    'IRNet',
    'LinearHead',
    'MobileFaceNet',
    'PyramidFusionNeck',
    'SoftCrossEntropyLoss',
    'TwoStreamBackbone',
    'VICHead',
]
