"""Loading of images."""

from __future__ import annotations

import cv2
import numpy as np

from mmfer.faces.cropping import name_of
from mmfer.registry import TRANSFORMS
from mmfer.utils.images import read_image

from .image_args import ImageTransform


@TRANSFORMS.register_module()
class LoadImageFromFile(ImageTransform):
    """Load the image of a sample, or take the one it brings in memory.

    Required keys: ``img_path``, or ``img``: uint8 (H, W) or (H, W, 1) grey, or (H, W, 3) BGR.
    Sets ``img`` (uint8 BGR (H, W, 3)), ``img_shape`` and ``ori_shape`` (both (H, W)).

    Args:
        min_side: Decode JPEG files that are far larger at 1/2, 1/4 or 1/8 of their size, such that the shorter side
            keeps so many pixels: twice the size that the pipeline resizes to is a good choice. Several times as fast,
            but **not the same pixels** as decoding all and resizing (see ``docs/benchmarks.md``), so training and test
            should agree in it. Samples with a ``face_box`` or ``face_landmarks``, which count pixels of the file, are
            decoded at their size. By default all are.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file cannot be decoded, or the array in memory is no image, or ``min_side`` is no size. All
            errors but the last name the file or sample.
    """

    def __init__(self, min_side: int | None = None):
        if min_side is not None and (isinstance(min_side, bool) or not isinstance(min_side, int) or min_side < 1):
            raise ValueError(f'LoadImageFromFile: min_side={min_side!r} must be a number of pixels, or None')
        self.min_side = min_side

    def transform(self, results: dict) -> dict:
        """The sample with the keys above."""
        img = results.get('img')
        if img is None:
            whole = results.get('face_box') is not None or results.get('face_landmarks') is not None
            img = read_image(results['img_path'], min_side=None if whole else self.min_side)
        else:
            img = self._from_memory(img, results)
        results['img'] = img
        results['img_shape'] = results['ori_shape'] = img.shape[:2]
        return results

    @staticmethod
    def _from_memory(img: np.ndarray, results: dict) -> np.ndarray:
        if img.dtype == np.uint8 and img.size:
            if img.ndim == 2 or (img.ndim == 3 and img.shape[2] == 1):
                return cv2.cvtColor(img, cv2.COLOR_GRAY2BGR)
            if img.ndim == 3 and img.shape[2] == 3:
                return img
        raise ValueError(
            f'{name_of(results)}: img must be uint8 (H, W), (H, W, 1) or (H, W, 3), not {img.dtype} {img.shape}'
        )
