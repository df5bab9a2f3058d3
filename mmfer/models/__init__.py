from .backbones import IRNet, MobileFaceNet, TwoStreamBackbone
from .data_preprocessor import FERDataPreprocessor
from .heads import BaseHead, LinearHead, VICHead
from .losses import SoftCrossEntropyLoss
from .necks import PyramidFusionNeck

__all__ = [
    'BaseHead',
    'FERDataPreprocessor',
    'IRNet',
    'LinearHead',
    'MobileFaceNet',
    'PyramidFusionNeck',
    'SoftCrossEntropyLoss',
    'TwoStreamBackbone',
    'VICHead',
]
