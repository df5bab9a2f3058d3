"""Transforms on samples: uint8 BGR images (H, W, 3) until the model's data preprocessor."""

from .align_face import AlignFace
from .color_jitter import ColorJitter
from .crop import ImageCenterCrop, ImageRandomCrop
from .crop_face import CropFace
from .formatting import PackInputs
from .gaussian_noise import ImageGaussianNoise
from .loading import LoadImageFromFile
from .occlude import Occlude
from .random_erasing import ImageRandomErasing
from .resize import ImageResize
from .rotation import ImageRandomRotation
from .two_views import TwoViews

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
    'TwoViews',
]
