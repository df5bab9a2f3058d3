"""What the image transforms share: checks of their arguments, and arrays in plain memory order."""

from collections.abc import Sequence
from numbers import Integral, Real

import cv2
import numpy as np


def contiguous(img: np.ndarray) -> np.ndarray:
    """``img`` (H, W, 3) in C order: itself where it is already, else a copy.

    ``np.flip`` and mmcv's ``RandomFlip`` return views with negative strides, which NumPy copies pixel by pixel;
    OpenCV's flip of the unflipped array gives the same about 30 times as fast.
    """
    if img.flags.c_contiguous:
        return img
    mirrored = img[:, ::-1]
    return cv2.flip(mirrored, 1) if mirrored.flags.c_contiguous else np.ascontiguousarray(img)


def is_whole(value) -> bool:
    """An integer, and no bool."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_size(name: str, size, square: bool = True):
    """``size`` as (h, w): of a pair, or of one integer, which stands for both or, unless ``square``, is kept.

    Args:
        name (str): Beginning of the error message: transform and argument.
        size: The argument.
        square (bool): Turn one integer into a pair. Defaults to True.

    Raises:
        TypeError: It is no integer and no pair of integers.
        ValueError: A side is not positive.
    """
    if is_whole(size):
        pair = (int(size), int(size))
    elif isinstance(size, Sequence) and len(size) == 2 and all(map(is_whole, size)):
        pair = (int(size[0]), int(size[1]))
    else:
        raise TypeError(f'{name}={size!r} must be an integer or a pair of integers (h, w)')
    if min(pair) < 1:
        raise ValueError(f'{name}={size!r} must be positive')
    return pair[0] if is_whole(size) and not square else pair


def check_range(name: str, value, low: float = -float('inf'), high: float = float('inf')) -> tuple:
    """``value`` as an ascending pair of floats within [low, high].

    Raises:
        TypeError: It is no pair of numbers.
        ValueError: It is not ascending, or outside the bounds.
    """
    if not isinstance(value, Sequence) or len(value) != 2 or not all(isinstance(v, Real) for v in value):
        raise TypeError(f'{name}={value!r} must be a pair of numbers (min, max)')
    if not low <= value[0] <= value[1] <= high:
        raise ValueError(f'{name}={tuple(value)} must be ascending and within [{low}, {high}]')
    return float(value[0]), float(value[1])


def check_color(name: str, value) -> tuple:
    """``value`` as (b, g, r): one integer for all three or three integers, each within 0..255.

    Raises:
        TypeError: It is no integer and no triple of integers.
        ValueError: A number is outside 0..255.
    """
    color = (value,) * 3 if is_whole(value) else value
    if not isinstance(color, Sequence) or len(color) != 3 or not all(map(is_whole, color)):
        raise TypeError(f'{name}={value!r} must be an integer or three integers (b, g, r)')
    if not all(0 <= c <= 255 for c in color):
        raise ValueError(f'{name}={value!r} must be within 0..255')
    return tuple(int(c) for c in color)
