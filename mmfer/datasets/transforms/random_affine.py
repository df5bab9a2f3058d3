"""A face turned, scaled, stretched and shifted at random, in one step."""

from __future__ import annotations

import cv2
import numpy as np
from mmcv.transforms.utils import cache_randomness

from mmfer.registry import TRANSFORMS

from .image_args import ImageTransform


@TRANSFORMS.register_module()
class RandomAffine(ImageTransform):
    """Turn, scale, stretch and shift the image by one affine map; the size stays, borders are replicated.

    One interpolation blurs small faces less than a rotation followed by a crop. The border is replicated, since black
    corners would tell the network how far a face was turned.

    Required and changed key: ``img`` (uint8 (H, W, 3)).

    Args:
        degrees: The angle is uniform in [-degrees, degrees].
        scale: The scale is uniform in [1 - scale, 1 + scale]; below 1 the face shrinks.
        stretch: Width by height changes by a factor uniform in [1 - stretch, 1 + stretch].
        shift: Shifts in x and y are uniform in [-shift, shift], in shares of the width and height.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(self, degrees: float = 0.0, scale: float = 0.0, stretch: float = 0.0, shift: float = 0.0) -> None:
        for name, value, limit in (
            ('degrees', degrees, 180.0),
            ('scale', scale, 0.9),
            ('stretch', stretch, 0.9),
            ('shift', shift, 1.0),
        ):
            if not 0 <= value <= limit:
                raise ValueError(f'RandomAffine: {name}={value!r} is out of range. Give a number from 0 to {limit:g}.')
        self.degrees, self.scale, self.stretch, self.shift = degrees, scale, stretch, shift

    @cache_randomness
    def _draw(self) -> np.ndarray:
        return np.random.uniform(-1.0, 1.0, 5)

    def matrix(self, height: int, width: int) -> np.ndarray:
        """A random map (2, 3) from places (x, y) of the image to those of the result, in pixels."""
        angle, scale, stretch, x, y = self._draw()
        turn = np.deg2rad(angle * self.degrees)
        size = 1 + scale * self.scale
        wide = np.sqrt(1 + stretch * self.stretch)
        linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.diag([wide, 1 / wide])
        linear *= size
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        moved = centre + np.array([x * self.shift * width, y * self.shift * height])
        return np.column_stack([linear, moved - linear @ centre])

    def transform(self, results: dict) -> dict:
        """Replace ``img`` by the warped image."""
        height, width = results['img'].shape[:2]
        results['img'] = cv2.warpAffine(
            results['img'],
            self.matrix(height, width),
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return results
