"""Resizing and centre crop as torchvision and PIL do them, on uint8 BGR arrays, with NumPy and OpenCV alone.

The transforms that repeat torchvision's are named ``Image`` + torchvision's name: ``ImageResize``, ``ImageRandomCrop``,
``ImageCenterCrop``, ``ImageRandomRotation``, ``ImageRandomErasing``. Without the prefix they would hide mmcv's and
mmpretrain's ``Resize``, ``RandomCrop`` and so on, whose arguments differ, where a config names transforms by strings.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import lru_cache
from numbers import Integral
from typing import Any

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


def is_whole(value: object) -> bool:
    """An integer, and no bool."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_size(name: str, size: Any, square: bool = True) -> Any:
    """``size`` as (h, w): of a pair, or of one integer, which stands for both or, unless ``square``, is kept.

    Raises:
        TypeError: It is no integer and no pair of integers; ``name`` begins the message.
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


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(x), 0)


def _cubic(x: np.ndarray) -> np.ndarray:
    """Keys' cubic with a = -0.5."""
    x = np.abs(x)
    return np.where(x < 1, (1.5 * x - 2.5) * x * x + 1, np.where(x < 2, (((x - 5) * x + 8) * x - 4) * -0.5, 0))


_KERNELS = dict(bilinear=(1, _triangle), bicubic=(2, _cubic))  # half the width, and the function


@lru_cache(maxsize=256)
def _weights(old: int, new: int, interpolation: str) -> list[tuple[slice, slice, np.ndarray]]:
    """Matrices that resize ``old`` rows to ``new``: rows of the result, rows that they are made of, and weights.

    Weights are those of PyTorch's kernels for uint8: whole numbers below 2^15 over a power of 2. Products with pixels
    and their sums are exact in the type of the matrices, so the result depends on no order of summation.
    """
    half, kernel = _KERNELS[interpolation]
    scale = old / new
    stretch = max(scale, 1.0)
    centre = scale * (np.arange(new) + 0.5)
    first = np.maximum((centre - half * stretch + 0.5).astype(int), 0)
    last = np.minimum((centre + half * stretch + 0.5).astype(int), old)
    places = first[:, None] + np.arange((last - first).max())
    weights = np.where(places < last[:, None], kernel((places - centre[:, None] + 0.5) * (1 / stretch)), 0)
    weights /= np.add.accumulate(weights, axis=1)[:, -1:]  # one after the other, as PyTorch adds
    bits = 0
    while bits < 22 and int(0.5 + weights.max() * 2 ** (bits + 1)) < 2**15:
        bits += 1
    weights = np.trunc(weights * 2**bits + np.copysign(0.5, weights))
    is_small = np.abs(weights).sum(1).max() * 255 + 2 ** (bits - 1) < 2**24
    parts, count = [], max(1, int(32 / max(stretch, 2)))  # rows a product: more would multiply by more zeros
    for start in range(0, new, count):
        stop = min(start + count, new)
        used = slice(first[start], last[stop - 1])
        matrix = np.zeros((stop - start, used.stop - used.start), np.float32 if is_small else np.float64)
        for row in range(start, stop):
            number = last[row] - first[row]
            matrix[row - start, first[row] - used.start :][:number] = weights[row, :number] / 2**bits
        parts.append((slice(start, stop), used, matrix))
    return parts


def _resize_rows(img: np.ndarray, new: int, interpolation: str) -> np.ndarray:
    """``img`` (H, W, 3) with ``new`` rows."""
    if len(img) == new:
        return img
    pixels = img.reshape(len(img), -1)
    resized = np.empty((new, pixels.shape[1]), np.uint8)
    for rows, used, matrix in _weights(len(img), new, interpolation):
        sums = matrix @ pixels[used].astype(matrix.dtype)
        sums += 0.5
        resized[rows] = np.clip(sums, 0, 255, out=sums)
    return resized.reshape(new, *img.shape[1:])


def _nearest_indices(old: int, new: int) -> np.ndarray:
    """The source index of each of ``new`` pixels; PIL adds up the step in double precision, so sums are taken too."""
    step = old / new
    return np.add.accumulate(np.r_[0.5 * step, np.full(new - 1, step)]).astype(np.int16)


def resize_image(img: np.ndarray, size: tuple, interpolation: str = 'bilinear') -> np.ndarray:
    """``img`` (H, W, 3), uint8, at ``size`` (h, w); a new C-contiguous array unless the size is the same.

    Bilinear and bicubic are equal to ``torch.nn.functional.interpolate(..., antialias=True)`` in every value, which is
    faster and used where PyTorch is loaded already.
    """
    if img.shape[:2] == tuple(size):
        return img
    img = contiguous(img)
    if interpolation == 'nearest':
        if max(img.shape) >= 1 << 15:
            raise ValueError(f'cannot resize an image of {img.shape[0]}x{img.shape[1]} pixels by nearest neighbour')
        columns, rows = np.meshgrid(_nearest_indices(img.shape[1], size[1]), _nearest_indices(img.shape[0], size[0]))
        return cv2.remap(img, np.dstack([columns, rows]), None, cv2.INTER_NEAREST)
    torch = sys.modules.get('torch')
    if torch is not None:
        # With the batch dimension added first, strides say channels_last: no copies, and the quickest kernel.
        batch = torch.from_numpy(img)[None].permute(0, 3, 1, 2)
        out = torch.nn.functional.interpolate(batch, size=tuple(size), mode=interpolation, antialias=True)
        return np.ascontiguousarray(out.permute(0, 2, 3, 1)[0].numpy())
    return _resize_by_numpy(img, size, interpolation)


def _resize_by_numpy(img: np.ndarray, size: tuple, interpolation: str) -> np.ndarray:
    if img.shape[1] != size[1]:
        img = cv2.transpose(_resize_rows(cv2.transpose(img), size[1], interpolation))
    return _resize_rows(img, size[0], interpolation)


def center_crop(img: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The middle (h, w) of ``img``; where that is smaller, black is added around it."""
    height, width = img.shape[:2]
    down, across = max(size[0] - height, 0), max(size[1] - width, 0)
    img = contiguous(img)
    if down or across:
        sides = down // 2, (down + 1) // 2, across // 2, (across + 1) // 2
        img = cv2.copyMakeBorder(img, *sides, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    # torchvision rounds halves to the even number
    top, left = (round((img.shape[i] - size[i]) / 2) for i in range(2))
    return np.ascontiguousarray(img[top : top + size[0], left : left + size[1]])


class ImageResize:
    """Resize to a fixed size, or the shorter side to a length: ``torchvision.transforms.Resize`` on PIL images.

    When shrinking, bilinear and bicubic average over the pixels that fall together (antialiasing), as PIL does. Weights
    are those of PyTorch, and so is every value. Of bilinear's values 99.8 % are equal to PIL's and the rest
    differ by 1 of 255; of bicubic's 99.5 %, by 1 or rarely 2. Nearest is equal to PIL's in every value.

    PIL is meant as it was up to Pillow 12, which the published recipes used: width first, then height. Pillow 13 begins
    with the height where that shrinks much. Since values are rounded in between, bilinear then differs by 1 in up to a
    quarter of them (a noise image), and bicubic by more where it overshoots.

    Required key: ``img`` (uint8 BGR (H, W, 3)). Changed keys: ``img``, ``img_shape``. An image that has the size
    already is left alone.

    Args:
        size: (h, w), or the length of the shorter side; the longer one follows, rounded down.
        interpolation: 'bilinear', 'bicubic' or 'nearest'.

    Raises:
        TypeError: ``size`` is no integer and no pair of integers.
        ValueError: ``size`` is not positive, or ``interpolation`` unknown.
    """

    INTERPOLATIONS = ('bilinear', 'bicubic', 'nearest')

    def __init__(self, size: int | Sequence[int], interpolation: str = 'bilinear'):
        self.size = check_size('ImageResize: size', size, square=False)
        if interpolation not in self.INTERPOLATIONS:
            raise ValueError(f'ImageResize: interpolation={interpolation!r} must be one of {self.INTERPOLATIONS}')
        self.interpolation = interpolation

    def output_size(self, height: int, width: int) -> tuple:
        """Size (h, w) that an image of ``height`` x ``width`` gets."""
        if not isinstance(self.size, int):
            return self.size
        if width <= height:
            return max(1, int(self.size * height / width)), self.size
        return self.size, max(1, int(self.size * width / height))

    def __call__(self, results: dict) -> dict:
        """The sample with a new ``img`` and ``img_shape``."""
        size = self.output_size(*results['img'].shape[:2])
        results['img'] = resize_image(results['img'], size, self.interpolation)
        results['img_shape'] = size
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(size={self.size}, interpolation={self.interpolation!r})'


class ImageCenterCrop:
    """Cut out the middle: ``torchvision.transforms.CenterCrop``. Where the image is smaller, black is added around it.

    Required key: ``img`` (uint8 BGR (H, W, 3)). Changed keys: ``img``, ``img_shape``.

    Args:
        size: (h, w), or one number for both.

    Raises:
        TypeError: ``size`` is no integer and no pair of integers.
        ValueError: ``size`` is not positive.
    """

    def __init__(self, size: int | Sequence[int]):
        self.size = check_size('ImageCenterCrop: size', size)

    def __call__(self, results: dict) -> dict:
        """The sample with a new ``img`` and ``img_shape``."""
        results['img'] = center_crop(results['img'], self.size)
        results['img_shape'] = self.size
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(size={self.size})'
