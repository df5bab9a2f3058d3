"""Random erasing as torchvision does it, on uint8 BGR arrays."""

import math
from collections.abc import Sequence
from numbers import Real
from typing import Optional, Union

import numpy as np
from mmcv.transforms.utils import cache_randomness

from mmfer.faces.resizing import contiguous
from mmfer.registry import TRANSFORMS

from .image_args import ImageTransform, check_color, check_range


@TRANSFORMS.register_module()
class ImageRandomErasing(ImageTransform):
    """Paint over a random rectangle: ``torchvision.transforms.RandomErasing``, but before normalisation.

    Rectangles are drawn as there: an area, an aspect ratio (height by width, uniform in its logarithm), up to ten
    attempts at one that fits, and then a place; where none fits, nothing is erased.

    torchvision erases in the normalised tensor, usually to 0. The default colour is ImageNet's mean rounded to whole
    numbers, which the data preprocessor turns into values below 0.009 in size instead of exactly 0.

    Required and changed key: ``img`` (uint8 BGR (H, W, 3)). The array that came in is not written to.

    Args:
        p: Probability that an image is erased.
        scale: Smallest and largest share of the image's area.
        ratio: Smallest and largest height by width.
        value: Colour (b, g, r), or one number for all three.

    Raises:
        TypeError: An argument is of a wrong type.
        ValueError: An argument is out of bounds.
    """

    ATTEMPTS = 10

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Union[int, Sequence[int]] = (104, 116, 124),
    ):
        if not isinstance(p, Real):
            raise TypeError(f'ImageRandomErasing: p={p!r} must be a number')
        if not 0 <= p <= 1:
            raise ValueError(f'ImageRandomErasing: p={p} must be within [0, 1]')
        self.p = float(p)
        self.scale = check_range('ImageRandomErasing: scale', scale, 0, 1)
        self.ratio = check_range('ImageRandomErasing: ratio', ratio, 0)
        if not 0 < self.ratio[0] <= self.ratio[1] < float('inf'):
            raise ValueError(f'ImageRandomErasing: ratio={self.ratio} must be positive and finite')
        self.value = check_color('ImageRandomErasing: value', value)

    @cache_randomness
    def _draw(self, height: int, width: int) -> Optional[tuple]:
        """The rectangle (top, left, h, w), or None."""
        if np.random.random() >= self.p:
            return None
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        for _ in range(self.ATTEMPTS):
            area = height * width * np.random.uniform(*self.scale)
            aspect = math.exp(np.random.uniform(low, high))
            h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if h < height and w < width:
                return int(np.random.randint(height - h + 1)), int(np.random.randint(width - w + 1)), h, w
        return None

    def transform(self, results: dict) -> dict:
        """The sample, with a new ``img`` where it was erased."""
        img = results['img']
        box = self._draw(*img.shape[:2])
        if box is not None:
            top, left, h, w = box
            img = img.copy() if img.flags.c_contiguous else contiguous(img)
            img[top : top + h, left : left + w] = self.value
            results['img'] = img
        return results
