from . import heads, losses, pretrained_init  # noqa: F401 (the last one registers itself)
from .backbones import CompactResNet, FaceResNet, IRNet, MixedFeatureNet, MobileFaceNet, TwoStreamBackbone
from .data_preprocessor import FERDataPreprocessor
from .expression_tta import ExpressionTTA
from .heads import *
from .losses import *
from .necks import DANNeck, DDAMFNNeck, PosterPyramidNeck, PyramidFusionNeck
from .teacher_preprocessor import TeacherPreprocessor
from .two_view_preprocessor import TwoViewPreprocessor

__all__ = [
    'CompactResNet',
    'DANNeck',
    'DDAMFNNeck',
    'ExpressionTTA',
    'FERDataPreprocessor',
    'FaceResNet',
    'IRNet',
    'MixedFeatureNet',
    'MobileFaceNet',
    'PosterPyramidNeck',
    'PyramidFusionNeck',
    'TeacherPreprocessor',
    'TwoStreamBackbone',
    'TwoViewPreprocessor',
    *heads.__all__,
    *losses.__all__,
]
