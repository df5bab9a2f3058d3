from .face_resnet import FaceResNet
from .ir_net import IRNet
from .mixed_feature_net import MixedFeatureNet
from .mobile_face_net import MobileFaceNet
from .two_stream import TwoStreamBackbone

__all__ = ['FaceResNet', 'IRNet', 'MixedFeatureNet', 'MobileFaceNet', 'TwoStreamBackbone']
