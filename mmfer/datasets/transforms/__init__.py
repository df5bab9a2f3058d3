"""Transforms on samples: uint8 BGR images (H, W, 3) until the model's data preprocessor.

Those that inference shares lie in ``mmfer.faces``, which works without PyTorch and MMEngine; they, and the detectors of
faces, are registered here.
"""

from mmfer.faces.alignment import AlignFace
from mmfer.faces.cropping import CropFace
from mmfer.faces.haar import Haar
from mmfer.faces.resizing import ImageCenterCrop, ImageResize
from mmfer.faces.yunet import YuNet
from mmfer.registry import FACE_DETECTORS, TRANSFORMS

from .color_jitter import ColorJitter
from .crop import ImageRandomCrop
from .formatting import PackInputs
from .gaussian_noise import ImageGaussianNoise
from .loading import LoadImageFromFile
from .occlude import Occlude
from .random_affine import RandomAffine
from .random_camera import RandomCamera
from .random_erasing import ImageRandomErasing
from .rotation import ImageRandomRotation
from .two_views import TwoViews

for _class in (AlignFace, CropFace, ImageCenterCrop, ImageResize):
    TRANSFORMS.register_module(module=_class)
for _class in (Haar, YuNet):
    FACE_DETECTORS.register_module(module=_class)

__all__ = [
    'AlignFace',
    'ColorJitter',
    'CropFace',
    'ImageCenterCrop',
    'ImageGaussianNoise',
    'ImageRandomCrop',
    'ImageRandomErasing',
    'ImageRandomRotation',
    'ImageResize',
    'LoadImageFromFile',
    'Occlude',
    'PackInputs',
    'RandomAffine',
    'RandomCamera',
    'TwoViews',
]
