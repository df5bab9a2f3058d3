"""Random rotation as torchvision does it on PIL images, on uint8 BGR arrays."""

import math
from collections.abc import Sequence
from numbers import Real
from typing import Union

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from mmfer.datasets.transforms.image_args import check_color, check_range
from mmfer.faces.resizing import contiguous
from mmfer.registry import TRANSFORMS

_ONE = 1 << 16  # PIL steps through the source in fixed point with 16 fractional bits
_MAX_SIDE = 1 << 14  # 16-bit indices hold every coordinate that a turn about the centre gives


def _fixed(value: float) -> int:
    return math.floor(value * _ONE + 0.5)


def rotate_image(img: np.ndarray, angle: float, fill: tuple = (0, 0, 0)) -> np.ndarray:
    """Turn about the centre, nearest neighbour, same size; every pixel is equal to PIL's ``Image.rotate``.

    Args:
        img (np.ndarray): uint8 (H, W, 3), sides below 16,384.
        angle (float): Degrees, counter-clockwise.
        fill (tuple): Colour (b, g, r) of the corners that come in. Defaults to black.

    Returns:
        np.ndarray: uint8 (H, W, 3), C-contiguous; ``img`` itself for an angle of 0.

    Raises:
        ValueError: A side is too long.
    """
    img = contiguous(img)
    height, width = img.shape[:2]
    angle %= 360
    if angle == 0:
        return img
    if angle == 180:
        return cv2.rotate(img, cv2.ROTATE_180)
    if angle in (90, 270) and height == width:
        return cv2.rotate(img, cv2.ROTATE_90_COUNTERCLOCKWISE if angle == 90 else cv2.ROTATE_90_CLOCKWISE)
    if max(height, width) >= _MAX_SIDE:
        raise ValueError(f'cannot rotate an image of {height}x{width} pixels: resize it below {_MAX_SIDE} first')
    # source = matrix @ target + offset, with pixel centres at .5
    cos, sin = round(math.cos(math.radians(angle)), 15), round(math.sin(math.radians(angle)), 15)
    x0 = cos * (-width / 2) - sin * (-height / 2) + width / 2
    y0 = sin * (-width / 2) + cos * (-height / 2) + height / 2
    columns, rows = np.arange(width, dtype=np.int32), np.arange(height, dtype=np.int32)[:, None]
    x = (_fixed(x0 + cos * 0.5 - sin * 0.5) + rows * _fixed(-sin)) + columns * _fixed(cos)
    y = (_fixed(y0 + sin * 0.5 + cos * 0.5) + rows * _fixed(cos)) + columns * _fixed(sin)
    source = np.empty((height, width, 2), np.int16)
    source[..., 0] = x >> 16
    source[..., 1] = y >> 16
    return cv2.remap(img, source, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=fill)


@TRANSFORMS.register_module()
class ImageRandomRotation(BaseTransform):
    """Turn by a random angle: ``torchvision.transforms.RandomRotation`` on PIL images with its default settings.

    These are: nearest neighbour, about the centre, size kept. For the same angle every pixel is equal to PIL's.

    Required and changed key: ``img`` (uint8 BGR (H, W, 3)).

    Args:
        degrees (float | Sequence[float]): The angle is drawn from [-d, d], or from (min, max); counter-clockwise.
        fill (int | Sequence[int]): Colour (b, g, r) of the corners that come in, or one number for all three.
            Defaults to 0.

    Raises:
        TypeError: An argument is of a wrong type.
        ValueError: ``degrees`` is negative or descending, or ``fill`` outside 0..255.
    """

    def __init__(self, degrees: Union[float, Sequence[float]], fill: Union[int, Sequence[int]] = 0):
        if isinstance(degrees, Real):
            if degrees < 0:
                raise ValueError(f'ImageRandomRotation: degrees={degrees} must not be negative; give a pair (min, max)')
            degrees = (-degrees, degrees)
        self.degrees = check_range('ImageRandomRotation: degrees', degrees)
        self.fill = check_color('ImageRandomRotation: fill', fill)

    @cache_randomness
    def _draw(self) -> float:
        return float(np.random.uniform(*self.degrees))

    def transform(self, results: dict) -> dict:
        """Turn the image.

        Args:
            results (dict): The sample.

        Returns:
            dict: The same dict with a new ``img``.
        """
        results['img'] = rotate_image(results['img'], self._draw(), self.fill)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(degrees={self.degrees}, fill={self.fill})'
