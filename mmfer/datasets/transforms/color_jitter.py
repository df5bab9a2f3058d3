"""Random brightness, contrast, saturation and hue with torchvision's meaning, on uint8 BGR arrays."""

import numbers
from collections.abc import Sequence
from typing import Optional, Union

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from mmfer.registry import TRANSFORMS

_LUMA_BGR = (0.114, 0.587, 0.299)


def adjust_brightness(img: np.ndarray, factor: float) -> np.ndarray:
    """``factor * img``; img uint8 BGR (H, W, 3), factor >= 0."""
    return cv2.convertScaleAbs(img, alpha=factor)


def adjust_contrast(img: np.ndarray, factor: float) -> np.ndarray:
    """``factor * img + (1 - factor) * mean luma``; img uint8 BGR (H, W, 3), factor >= 0."""
    mean = cv2.mean(cv2.cvtColor(img, cv2.COLOR_BGR2GRAY))[0]
    return cv2.addWeighted(img, factor, img, 0, (1 - factor) * mean)


def adjust_saturation(img: np.ndarray, factor: float) -> np.ndarray:
    """``factor * img + (1 - factor) * luma``; img uint8 BGR (H, W, 3), factor >= 0."""
    matrix = factor * np.eye(3) + (1 - factor) * np.array([_LUMA_BGR])  # the three blends are one linear map
    return cv2.transform(img, matrix)


def adjust_hue(img: np.ndarray, factor: float) -> np.ndarray:
    """Turn the hue by ``factor`` of a full circle; img uint8 BGR (H, W, 3), factor in [-0.5, 0.5].

    Hue, saturation and value have 8 bits each, as in PIL: a full circle has 256 steps.
    """
    hsv = cv2.cvtColor(img, cv2.COLOR_BGR2HSV_FULL)
    hsv[..., 0] += np.uint8(round(factor * 256) % 256)  # wraps around as the circle does
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR_FULL)


@TRANSFORMS.register_module()
class ColorJitter(BaseTransform):
    """Change brightness, contrast, saturation and hue by random factors in random order.

    Ranges, formulas and the random order are those of ``torchvision.transforms.ColorJitter``; the random numbers come
    from NumPy. Against torchvision on tensors, pixel values differ by rounding only (up to 2 of 255) for brightness,
    contrast and saturation. Hue has 8-bit steps: up to 12 off in vivid colours, less than 1 on average, which is nearer
    to the exact turn than torchvision on PIL images comes.

    Required and changed key: ``img`` (uint8 BGR (H, W, 3)).

    Args:
        brightness (float | Sequence[float]): Factor drawn from [max(0, 1 - b), 1 + b], or from (min, max). Default 0.
        contrast (float | Sequence[float]): The same for contrast. Defaults to 0.
        saturation (float | Sequence[float]): The same for saturation. Defaults to 0.
        hue (float | Sequence[float]): Turn drawn from [-h, h], or from (min, max), in circles; within [-0.5, 0.5].
            Defaults to 0.

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
        if isinstance(value, numbers.Number):
            if value < 0:
                raise ValueError(f'ColorJitter: {name}={value} must not be negative')
            smallest = center - value
            value = (smallest if center == 0 else max(smallest, low), center + value)
        elif isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
            raise TypeError(f'ColorJitter: {name}={value!r} must be a number or a pair (min, max)')
        if not low <= value[0] <= value[1] <= high:
            raise ValueError(f'ColorJitter: {name}={tuple(value)} must be ascending and within [{low}, {high}]')
        return None if value[0] == value[1] == center else (float(value[0]), float(value[1]))

    @cache_randomness
    def _draw(self) -> tuple:
        order = np.random.permutation(4)
        ranges = (self.brightness, self.contrast, self.saturation, self.hue)
        return order, [None if r is None else np.random.uniform(*r) for r in ranges]

    def transform(self, results: dict) -> dict:
        """Change the image.

        Args:
            results (dict): The sample.

        Returns:
            dict: The same dict with a new ``img``.
        """
        operations = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)
        order, factors = self._draw()
        img = results['img']
        for i in order:
            if factors[i] is not None:
                img = operations[i](img, factors[i])
        results['img'] = img
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(brightness={self.brightness}, contrast={self.contrast}, '
            f'saturation={self.saturation}, hue={self.hue})'
        )
