from .batch_norm import BatchNorm1d, BatchNorm2d
from .class_token_encoder import ClassTokenEncoder
from .coordinate_attention import CoordinateAttention
from .cross_fusion import CrossFusion
from .mlp import MLP
from .prelu import PReLU
from .pretrained import PretrainedBackbone, pretrained_file

__all__ = [
    'MLP',
    'BatchNorm1d',
    'BatchNorm2d',
    'ClassTokenEncoder',
    'CoordinateAttention',
    'CrossFusion',
    'PReLU',
    'PretrainedBackbone',
    'pretrained_file',
]
