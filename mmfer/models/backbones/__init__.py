from .ir_net import IRNet
from .mobile_face_net import MobileFaceNet
from .two_stream import TwoStreamBackbone

__all__ = ['IRNet', 'MobileFaceNet', 'TwoStreamBackbone']
