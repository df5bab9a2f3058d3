from .class_token_encoder import ClassTokenEncoder
from .cross_fusion import CrossFusion
from .mlp import MLP
from .pretrained import PretrainedPart, pretrained_file

__all__ = ['MLP', 'ClassTokenEncoder', 'CrossFusion', 'PretrainedPart', 'pretrained_file']
