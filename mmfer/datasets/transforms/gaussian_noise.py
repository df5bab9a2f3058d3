"""Independent normal noise on every value of an image."""

from numbers import Real

import numpy as np
from mmcv.transforms.utils import cache_randomness

from mmfer.registry import TRANSFORMS

from .image_args import ImageTransform


@TRANSFORMS.register_module()
class ImageGaussianNoise(ImageTransform):
    """Add normal noise, drawn anew for every pixel and channel; what leaves 0..255 is cut off, fractions are cut down.

    The noise of SCN, RUL and EAC has a variance of 30, on faces of 100x100 pixels before they are resized:
    ``RandomApply(prob=0.5, transforms=[ImageGaussianNoise()])``.

    Required and changed key: ``img`` (uint8 (H, W, 3)).

    Args:
        std: Deviation, on the scale of 0..255. Defaults to the square root of 30.

    Raises:
        TypeError: ``std`` is no number.
        ValueError: ``std`` is negative or not finite.
    """

    def __init__(self, std: float = 30**0.5):
        if isinstance(std, bool) or not isinstance(std, Real):
            raise TypeError(f'ImageGaussianNoise: std={std!r} must be a number')
        if not 0 <= std < float('inf'):
            raise ValueError(f'ImageGaussianNoise: std={std} must be finite and not negative')
        self.std = float(std)

    @cache_randomness
    def _draw(self, shape: tuple) -> np.ndarray:
        return np.random.normal(0.0, self.std, shape)

    def transform(self, results: dict) -> dict:
        """The sample with a new ``img``."""
        img = results['img'] + self._draw(results['img'].shape)
        results['img'] = np.clip(img, 0, 255, out=img).astype(np.uint8)
        return results
