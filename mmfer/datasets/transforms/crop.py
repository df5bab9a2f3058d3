"""Random crop as torchvision does it on PIL images, on uint8 BGR arrays."""

from collections.abc import Sequence
from typing import Union

import cv2
import numpy as np
from mmcv.transforms.utils import cache_randomness

from mmfer.faces.cropping import name_of
from mmfer.faces.resizing import check_size, contiguous, is_whole
from mmfer.registry import TRANSFORMS

from .image_args import ImageTransform, check_color


def _pad(img: np.ndarray, left: int, top: int, right: int, bottom: int, fill: tuple) -> np.ndarray:
    img = contiguous(img)
    if left == top == right == bottom == 0:
        return img
    return cv2.copyMakeBorder(img, top, bottom, left, right, cv2.BORDER_CONSTANT, value=fill)


@TRANSFORMS.register_module()
class ImageRandomCrop(ImageTransform):
    """Cut out a rectangle at a random place: ``torchvision.transforms.RandomCrop``.

    Required key: ``img`` (uint8 BGR (H, W, 3)). Changed keys: ``img``, ``img_shape``.

    Args:
        size: (h, w), or one number for both.
        padding: Pixels added before: one number for all sides, (left and right, top and bottom), or (left, top, right,
            bottom).
        fill: Colour (b, g, r) of the padding, or one number for all three.

    Raises:
        TypeError: An argument is of a wrong type.
        ValueError: An argument is out of bounds, or an image with its padding is smaller than ``size``.
    """

    def __init__(
        self,
        size: Union[int, Sequence[int]],
        padding: Union[None, int, Sequence[int]] = None,
        fill: Union[int, Sequence[int]] = 0,
    ):
        self.size = check_size('ImageRandomCrop: size', size)
        self.padding = self._sides(padding)
        self.fill = check_color('ImageRandomCrop: fill', fill)

    @staticmethod
    def _sides(padding) -> tuple:
        if padding is None or is_whole(padding):
            sides = (padding or 0,) * 4
        else:
            sides = padding
            if not isinstance(sides, Sequence) or len(sides) not in (2, 4) or not all(map(is_whole, sides)):
                raise TypeError(f'ImageRandomCrop: padding={padding!r} must be an integer, or two or four integers')
            sides = tuple(sides) * (4 // len(sides))
        if min(sides) < 0:
            raise ValueError(f'ImageRandomCrop: padding={padding!r} must not be negative')
        return sides

    @cache_randomness
    def _draw(self, rows: int, columns: int) -> tuple:
        return int(np.random.randint(rows)), int(np.random.randint(columns))

    def transform(self, results: dict) -> dict:
        """The sample with a new ``img`` and ``img_shape``."""
        img = _pad(results['img'], *self.padding, self.fill)
        rows, columns = img.shape[0] - self.size[0] + 1, img.shape[1] - self.size[1] + 1
        if min(rows, columns) < 1:
            raise ValueError(
                f'ImageRandomCrop: size={self.size} is larger than the image with its padding, {img.shape[:2]}: '
                f'{name_of(results)}; resize it first, or set padding'
            )
        top, left = self._draw(rows, columns)
        results['img'] = np.ascontiguousarray(img[top : top + self.size[0], left : left + self.size[1]])
        results['img_shape'] = self.size
        return results
