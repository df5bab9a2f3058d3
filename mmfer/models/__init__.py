from . import heads, losses
from .backbones import IRNet, MobileFaceNet, TwoStreamBackbone
from .data_preprocessor import FERDataPreprocessor
from .heads import *
from .losses import *
from .necks import PyramidFusionNeck
from .two_view_preprocessor import TwoViewPreprocessor

__all__ = [
    'FERDataPreprocessor',
    'IRNet',
    'MobileFaceNet',
    'PyramidFusionNeck',
    'TwoStreamBackbone',
    'TwoViewPreprocessor',
    *heads.__all__,
    *losses.__all__,
]
