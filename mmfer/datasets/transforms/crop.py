"""Random crop and centre crop as torchvision does them on PIL images, on uint8 BGR arrays. Names: see ``resize.py``."""

from collections.abc import Sequence
from typing import Union

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from mmfer.datasets.transforms.image_args import check_color, check_size, contiguous, is_whole
from mmfer.registry import TRANSFORMS


def _pad(img: np.ndarray, left: int, top: int, right: int, bottom: int, fill: tuple) -> np.ndarray:
    img = contiguous(img)
    if left == top == right == bottom == 0:
        return img
    return cv2.copyMakeBorder(img, top, bottom, left, right, cv2.BORDER_CONSTANT, value=fill)


def _cut(results: dict, img: np.ndarray, top: int, left: int, size: tuple) -> dict:
    results['img'] = np.ascontiguousarray(img[top : top + size[0], left : left + size[1]])
    results['img_shape'] = size
    return results


@TRANSFORMS.register_module()
class ImageRandomCrop(BaseTransform):
    """Cut out a rectangle at a random place: ``torchvision.transforms.RandomCrop``.

    Required key: ``img`` (uint8 BGR (H, W, 3)). Changed keys: ``img``, ``img_shape``.

    Args:
        size (int | Sequence[int]): (h, w), or one number for both.
        padding (int | Sequence[int], optional): Pixels added before: one number for all sides, (left and right, top and
            bottom), or (left, top, right, bottom). Defaults to None.
        fill (int | Sequence[int]): Colour (b, g, r) of the padding, or one number for all three. Defaults to 0.

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
        """Cut the image.

        Args:
            results (dict): The sample.

        Returns:
            dict: The same dict with a new ``img`` and ``img_shape``.
        """
        img = _pad(results['img'], *self.padding, self.fill)
        rows, columns = img.shape[0] - self.size[0] + 1, img.shape[1] - self.size[1] + 1
        if min(rows, columns) < 1:
            raise ValueError(
                f'ImageRandomCrop: size={self.size} is larger than the image with its padding, {img.shape[:2]}: '
                f'{results.get("img_path", "image in memory")}; resize it first, or set padding'
            )
        return _cut(results, img, *self._draw(rows, columns), self.size)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(size={self.size}, padding={self.padding}, fill={self.fill})'


@TRANSFORMS.register_module()
class ImageCenterCrop(BaseTransform):
    """Cut out the middle: ``torchvision.transforms.CenterCrop``. Where the image is smaller, black is added around it.

    Required key: ``img`` (uint8 BGR (H, W, 3)). Changed keys: ``img``, ``img_shape``.

    Args:
        size (int | Sequence[int]): (h, w), or one number for both.

    Raises:
        TypeError: ``size`` is no integer and no pair of integers.
        ValueError: ``size`` is not positive.
    """

    def __init__(self, size: Union[int, Sequence[int]]):
        self.size = check_size('ImageCenterCrop: size', size)

    def transform(self, results: dict) -> dict:
        """Cut the image.

        Args:
            results (dict): The sample.

        Returns:
            dict: The same dict with a new ``img`` and ``img_shape``.
        """
        height, width = results['img'].shape[:2]
        down, across = max(self.size[0] - height, 0), max(self.size[1] - width, 0)
        img = _pad(results['img'], across // 2, down // 2, (across + 1) // 2, (down + 1) // 2, (0, 0, 0))
        # torchvision rounds halves to the even number
        top, left = (round((img.shape[i] - self.size[i]) / 2) for i in range(2))
        return _cut(results, img, top, left, self.size)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(size={self.size})'
