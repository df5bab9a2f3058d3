"""Light, contrast, sharpness and compression of a face, changed at random as other cameras would."""

from __future__ import annotations

import cv2
import numpy as np
from mmcv.transforms.utils import cache_randomness

from mmfer.registry import TRANSFORMS

from .image_args import ImageTransform


@TRANSFORMS.register_module()
class RandomCamera(ImageTransform):
    """Change how a face was taken, not what it shows, for networks that will see photos of other kinds.

    In this order: fewer pixels (scaled down and up again), contrast, brightness, gamma, light from one side (a linear
    ramp), noise. All are drawn anew for each image.

    Required and changed key: ``img`` (uint8 (H, W, 3)); its channels change alike, so grey stays grey.

    Args:
        resolution: Smallest share of the pixels of a side that is left, e.g. 0.5; uniform from it to 1. 1 leaves all.
        resolution_prob: Probability that an image loses pixels.
        side_light: Largest difference between the two sides, in grey levels.
        contrast: The factor of the contrast around the mean is uniform in [1 - contrast, 1 + contrast].
        brightness: What is added is uniform in [-brightness, brightness], in grey levels.
        gamma: The logarithm of the exponent is uniform in [-gamma, gamma].
        noise: The standard deviation of the noise is uniform in [0, noise], in grey levels.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        resolution: float = 1.0,
        resolution_prob: float = 0.25,
        side_light: float = 0.0,
        contrast: float = 0.0,
        brightness: float = 0.0,
        gamma: float = 0.0,
        noise: float = 0.0,
    ) -> None:
        for name, value, low, high in (
            ('resolution', resolution, 0.05, 1.0),
            ('resolution_prob', resolution_prob, 0.0, 1.0),
            ('side_light', side_light, 0.0, 255.0),
            ('contrast', contrast, 0.0, 0.99),
            ('brightness', brightness, 0.0, 255.0),
            ('gamma', gamma, 0.0, 3.0),
            ('noise', noise, 0.0, 255.0),
        ):
            if not low <= value <= high:
                raise ValueError(f'RandomCamera: {name}={value!r} is out of range. Give a number from {low} to {high}.')
        self.resolution, self.resolution_prob = resolution, resolution_prob
        self.side_light, self.contrast, self.brightness = side_light, contrast, brightness
        self.gamma, self.noise = gamma, noise

    @cache_randomness
    def _draw(self) -> np.ndarray:
        return np.random.random(8)

    @cache_randomness
    def _draw_noise(self, shape: tuple) -> np.ndarray:
        return np.random.standard_normal(shape).astype(np.float32)

    def transform(self, results: dict) -> dict:
        """Replace ``img`` by the changed image."""
        img = results['img']
        height, width = img.shape[:2]
        loses, left, side, across, contrast, brightness, gamma, noise = self._draw()
        if loses < self.resolution_prob and self.resolution < 1:
            share = self.resolution + left * (1 - self.resolution)
            small = cv2.resize(
                img, (max(1, round(width * share)), max(1, round(height * share))), interpolation=cv2.INTER_AREA
            )
            img = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
        # contrast, brightness and gamma are one table of 256 levels
        levels = np.arange(256, dtype=np.float32)
        mean = float(img.mean())
        levels = (levels - mean) * (1 + (2 * contrast - 1) * self.contrast) + mean
        levels += (2 * brightness - 1) * self.brightness
        levels = 255 * (np.clip(levels, 0, 255) / 255) ** np.exp((2 * gamma - 1) * self.gamma)
        if not (self.side_light or self.noise):
            results['img'] = cv2.LUT(img, np.rint(levels).astype(np.uint8))
            return results
        out = levels.astype(np.float32)[img]
        if self.side_light:
            angle = 2 * np.pi * across
            ramp = (
                np.cos(angle) * np.linspace(-0.5, 0.5, width)[None]
                + np.sin(angle) * np.linspace(-0.5, 0.5, height)[:, None]
            )
            out += (side * self.side_light * ramp).astype(np.float32)[:, :, None]
        if self.noise:
            out += noise * self.noise * self._draw_noise((height, width, 1))
        results['img'] = np.clip(np.rint(out), 0, 255).astype(np.uint8)
        return results
