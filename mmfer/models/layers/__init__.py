from .class_token_encoder import ClassTokenEncoder
from .cross_fusion import CrossFusion
from .mlp import MLP
from .prelu import PReLU
from .pretrained import PretrainedPart, pretrained_file

__all__ = ['MLP', 'ClassTokenEncoder', 'CrossFusion', 'PReLU', 'PretrainedPart', 'pretrained_file']
