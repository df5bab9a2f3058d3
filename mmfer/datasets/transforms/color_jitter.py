"""Random brightness, contrast, saturation and hue as torchvision has them on PIL images, on uint8 BGR arrays.

PIL cuts the result of each step down to whole numbers. So do the functions here, on float32 arrays of whole numbers
from 0 to 255, where the vector instructions of OpenCV and NumPy need about a quarter of PIL's time; they overwrite the
array that they get. Hue, saturation and value have 8 bits each, as in PIL.
"""

import math
from collections.abc import Sequence
from numbers import Real
from typing import Optional, Union

import cv2
import numpy as np
from mmcv.transforms.utils import cache_randomness

from mmfer.faces.resizing import contiguous
from mmfer.registry import TRANSFORMS

from .image_args import ImageTransform, check_range

# PIL's luma in units of 1/65536, BGR, and half a unit for rounding: the sums fit into the 24 bits of a float exactly
_LUMA = np.array([[7471, 38470, 19595, 32768]]) / 65536
_CLOSE = np.float32(1e-3)  # between float32's error on the scale of 255 and 1/510, by which hues differ at least


def _hues_cut_short() -> np.ndarray:
    """For each hue k of 0..255: 1 where a colour whose hue is k, exactly, gets k - 1 in PIL, by its rounding errors.

    With a largest channel of 85 and a smallest of 0 every hue of 255 occurs; the middle channel is ``abs(middle)``.
    """
    hue = np.arange(255)
    corner = (2 * hue + 85) // 170  # the nearest of red, green, blue and again red
    middle = 2 * hue - 170 * corner
    ratio = ((85 - np.abs(middle)).astype(np.float32) / np.float32(85)).astype(np.float64)
    sixths = (2 * (corner % 3) + np.sign(middle) * (1 - ratio)).astype(np.float32).astype(np.float64)
    circle = np.fmod(sixths / 6 + 1, 1).astype(np.float32).astype(np.float64)
    return np.append(hue - (circle * 255).astype(int), 0).astype(np.uint8)


_CUT_SHORT = _hues_cut_short()


def _luma(img: np.ndarray) -> np.ndarray:
    return cv2.transform(img, _LUMA).astype(np.uint8)


def _cut(img: np.ndarray, factor: float) -> np.ndarray:
    if factor > 1:
        np.clip(img, 0, 255, out=img)
    return np.floor(img, out=img)


def _brightness(img: np.ndarray, factor: float) -> np.ndarray:
    img *= np.float32(factor)
    return _cut(img, factor)


def _contrast(img: np.ndarray, factor: float) -> np.ndarray:
    mean = np.float32(int(cv2.mean(_luma(img))[0] + 0.5))
    img -= mean
    img *= np.float32(factor)
    img += mean
    return _cut(img, factor)


def _saturation(img: np.ndarray, factor: float) -> np.ndarray:
    luma = cv2.cvtColor(_luma(img).astype(np.float32), cv2.COLOR_GRAY2BGR)
    img -= luma
    img *= np.float32(factor)
    img += luma
    return _cut(img, factor)


def _planes(height: int, width: int) -> list:
    # 192 bytes between them: planes of 224x224 fill whole pages of memory, and writing to the same place of several
    # pages in turn takes twice as long
    rows = np.empty((3, height * width + 48), np.float32)
    return [row[: height * width].reshape(height, width) for row in rows]


def _hue(img: np.ndarray, factor: float) -> np.ndarray:
    hsv = cv2.cvtColor(img, cv2.COLOR_BGR2HSV)  # hue in degrees, saturation in [0, 1]
    hue, saturation, value = cv2.split(hsv, _planes(*img.shape[:2]))
    hue *= np.float32(255 / 360)
    hue += _CLOSE
    steps = hue.astype(np.uint8)
    hue -= steps
    whole = np.flatnonzero(hue < 2 * _CLOSE)
    flat = steps.reshape(-1)
    flat[whole] -= _CUT_SHORT[flat[whole]]
    flat += np.uint8(math.trunc(factor * 255) % 256)  # wraps around, as in torchvision
    np.multiply(steps, np.float32(360 / 255), out=hue)
    saturation *= np.float32(255)
    saturation += _CLOSE
    np.floor(saturation, out=saturation)
    saturation *= np.float32(1 / 255)
    cv2.cvtColor(cv2.merge([hue, saturation, value], dst=hsv), cv2.COLOR_HSV2BGR, dst=img)
    return np.rint(img, out=img)


@TRANSFORMS.register_module()
class ColorJitter(ImageTransform):
    """Change brightness, contrast, saturation and hue by random factors in random order.

    Ranges, order and results are those of ``torchvision.transforms.ColorJitter`` on PIL images; the random numbers come
    from NumPy. With the same factors brightness, contrast and saturation are equal to torchvision's in every value, hue
    but for about one value in 100,000, which differs by 1 of 255.

    Required and changed key: ``img`` (uint8 BGR (H, W, 3)).

    Args:
        brightness: Factor drawn from [max(0, 1 - b), 1 + b], or from (min, max).
        contrast: The same for contrast.
        saturation: The same for saturation.
        hue: Turn drawn from [-h, h], or from (min, max), in circles; within [-0.5, 0.5].

    Raises:
        ValueError: A range is outside its bounds.
        TypeError: A range is no number and no pair.
    """

    def __init__(
        self,
        brightness: Union[float, Sequence[float]] = 0.0,
        contrast: Union[float, Sequence[float]] = 0.0,
        saturation: Union[float, Sequence[float]] = 0.0,
        hue: Union[float, Sequence[float]] = 0.0,
    ):
        self.brightness = self._range('brightness', brightness)
        self.contrast = self._range('contrast', contrast)
        self.saturation = self._range('saturation', saturation)
        self.hue = self._range('hue', hue, center=0.0, low=-0.5, high=0.5)

    @staticmethod
    def _range(name, value, center=1.0, low=0.0, high=float('inf')) -> Optional[tuple]:
        if isinstance(value, Real):
            if value < 0:
                raise ValueError(f'ColorJitter: {name}={value} must not be negative')
            smallest = center - value
            value = (smallest if center == 0 else max(smallest, low), center + value)
        value = check_range(f'ColorJitter: {name}', value, low, high)
        return None if value[0] == value[1] == center else value

    @cache_randomness
    def _draw(self) -> tuple:
        order = np.random.permutation(4)
        ranges = (self.brightness, self.contrast, self.saturation, self.hue)
        return order, [None if r is None else np.random.uniform(*r) for r in ranges]

    def transform(self, results: dict) -> dict:
        """The sample with a new ``img``; the very one where all ranges are empty."""
        operations = (_brightness, _contrast, _saturation, _hue)
        order, factors = self._draw()
        if any(factor is not None for factor in factors):
            img = contiguous(results['img']).astype(np.float32)
            for i in order:
                if factors[i] is not None:
                    img = operations[i](img, factors[i])
            results['img'] = img.astype(np.uint8)
        return results
