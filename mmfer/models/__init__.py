from .backbones import IRNet, MobileFaceNet, TwoStreamBackbone
from .heads import BaseHead, LinearHead, VICHead
from .losses import CrossEntropyLoss
from .necks import PyramidFusionNeck

__all__ = [
    'BaseHead',
    'CrossEntropyLoss',
    'IRNet',
    'LinearHead',
    'MobileFaceNet',
    'PyramidFusionNeck',
    'TwoStreamBackbone',
    'VICHead',
]
