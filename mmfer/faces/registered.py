"""Enters the detectors into the registry, which imports this at the first look-up.

``mmfer.faces`` itself leaves the registry alone: it works where MMEngine and PyTorch are not installed.
"""

from mmfer.registry import FACE_DETECTORS

from .haar import Haar
from .yunet import YuNet

for _detector in (Haar, YuNet):
    FACE_DETECTORS.register_module(module=_detector)
