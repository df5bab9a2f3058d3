"""Transforms on samples: uint8 BGR images (H, W, 3) until the model's data preprocessor."""

from .color_jitter import ColorJitter
from .crop_face import CropFace
from .formatting import PackInputs
from .loading import LoadImageFromFile

__all__ = ['ColorJitter', 'CropFace', 'LoadImageFromFile', 'PackInputs']
