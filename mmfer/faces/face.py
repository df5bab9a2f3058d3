"""What a detector says of one face, and the checks that detectors share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Face:
    """A face in an image.

    Attributes:
        box: (x1, y1, x2, y2) in pixels; it may reach beyond the edges of the image.
        score: Confidence in [0, 1], or None of detectors that have none.
        landmarks: Eyes, tip of the nose, corners of the mouth: (5, 2) float32, (x, y) in pixels, the left one of a pair
            first as seen in the image when the face is upright; or None.
    """

    box: tuple[float, float, float, float]
    score: float | None = None
    landmarks: np.ndarray | None = None

    @property
    def area(self) -> float:
        """Of the box, in square pixels."""
        x1, y1, x2, y2 = self.box
        return max(x2 - x1, 0.0) * max(y2 - y1, 0.0)


def largest_first(faces: Iterable[Face]) -> list[Face]:
    """``faces`` by the area of their boxes; those of equal area from left to right."""
    return sorted(faces, key=lambda face: (-face.area, face.box))


def check_image(img: np.ndarray, who: str) -> np.ndarray:
    """``img`` in plain memory order, which OpenCV needs.

    Raises:
        ValueError: It is no uint8 array (H, W, 3).
    """
    if not isinstance(img, np.ndarray):
        raise ValueError(f'{who}: the image must be a uint8 array (H, W, 3) in BGR order, not a {type(img).__name__}')
    if img.dtype != np.uint8 or img.ndim != 3 or img.shape[2] != 3:
        raise ValueError(
            f'{who}: the image must be a uint8 array (H, W, 3) in BGR order, not {img.dtype} of shape {img.shape}'
        )
    return np.ascontiguousarray(img)
