"""Random rotation as torchvision does it on PIL images, on uint8 BGR arrays."""

from collections.abc import Sequence
from numbers import Real
from typing import Union

import numpy as np
from mmcv.transforms.utils import cache_randomness
from PIL import Image

from mmfer.faces.resizing import contiguous
from mmfer.registry import TRANSFORMS

from .image_args import ImageTransform, check_color, check_range


@TRANSFORMS.register_module()
class ImageRandomRotation(ImageTransform):
    """Turn by a random angle: ``torchvision.transforms.RandomRotation`` on PIL images with its default settings.

    These are: nearest neighbour, about the centre, size kept.

    Required and changed key: ``img`` (uint8 BGR (H, W, 3)).

    Args:
        degrees: The angle is drawn from [-d, d], or from (min, max); counter-clockwise.
        fill: Colour (b, g, r) of the corners that come in, or one number for all three.

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
        """The sample with a new ``img``."""
        img = Image.fromarray(contiguous(results['img']))  # the order of the channels does not matter
        results['img'] = np.array(img.rotate(self._draw(), fillcolor=self.fill))
        return results
