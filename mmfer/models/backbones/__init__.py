from .compact_resnet import CompactResNet
from .face_resnet import FaceResNet
from .ir_net import IRNet
from .mixed_feature_net import MixedFeatureNet
from .mobile_face_net import MobileFaceNet
from .two_stream import TwoStreamBackbone

__all__ = ['CompactResNet', 'FaceResNet', 'IRNet', 'MixedFeatureNet', 'MobileFaceNet', 'TwoStreamBackbone']
