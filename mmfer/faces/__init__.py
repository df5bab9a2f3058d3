"""Finding faces in photographs and bringing them into the form that expression networks see.

Importing this needs NumPy and OpenCV only.
"""

from .alignment import align_by_box, align_face, arcface_template, estimate_similarity
from .cropping import crop_face, crop_region
from .detectors import build_detector, whole_image
from .face import Face, largest_first
from .haar import Haar
from .landmarks68 import Landmarks68
from .yunet import YuNet

__all__ = [
    'Face',
    'Haar',
    'Landmarks68',
    'YuNet',
    'align_by_box',
    'align_face',
    'arcface_template',
    'build_detector',
    'crop_face',
    'crop_region',
    'estimate_similarity',
    'largest_first',
    'whole_image',
]
