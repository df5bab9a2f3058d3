"""The face detector that comes with OpenCV: no download, no landmarks.

Paper: Rapid Object Detection using a Boosted Cascade of Simple Features, https://doi.org/10.1109/CVPR.2001.990517
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmfer.structures.results import Face, largest_first

from .cropping import check_image

_CASCADE = 'haarcascade_frontalface_alt2.xml'
_SMALLEST = 20  # pixels a side: the window of the cascade


class Haar:
    """Finds frontal, upright faces. Misses more than :class:`YuNet` and takes more other things for faces.

    Instances may be used by several threads at once and be pickled. Faces have no landmarks and no score: the cascade's
    only number, a sum of weights of its last stage, is no confidence that compares between faces.

    Args:
        scale_factor: Ratio of the sizes that are tried; nearer to 1 finds more and takes longer.
        min_neighbors: So many overlapping windows must agree on a face; more means fewer false ones and fewer faces.
        min_size: Smallest face, as a fraction of the image's shorter side, and at least 20 pixels in the search.
        max_size: Images with more than ``max_size`` squared pixels are shrunk to that for the search.

    Raises:
        RuntimeError: This build of OpenCV has no cascades (5.0 has none).
        ValueError: An argument is wrong.
    """

    def __init__(
        self, scale_factor: float = 1.1, min_neighbors: int = 5, min_size: float = 0.06, max_size: int = 800
    ) -> None:
        if not scale_factor > 1:
            raise ValueError(f'Haar: scale_factor={scale_factor!r} must be above 1')
        if min_neighbors < 0 or max_size < 64 or not 0 <= min_size < 1:
            raise ValueError(
                f'Haar: min_neighbors={min_neighbors!r} must not be negative, max_size={max_size!r} at least 64 and '
                f'min_size={min_size!r} in [0, 1)'
            )
        self.scale_factor = float(scale_factor)
        self.min_neighbors = int(min_neighbors)
        self.min_size = float(min_size)
        self.max_size = int(max_size)
        self._local = threading.local()
        self._cascade()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != '_local'}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _local=threading.local())

    def __repr__(self) -> str:
        return f'Haar(min_neighbors={self.min_neighbors}, min_size={self.min_size}, max_size={self.max_size})'

    def __call__(self, img: np.ndarray) -> list[Face]:
        """Faces in a uint8 BGR image (H, W, 3), in its pixels, largest first; ValueError where it is none."""
        img = check_image(img, 'Haar')
        height, width = img.shape[:2]
        if min(height, width) < _SMALLEST:
            return []
        scale = min(1.0, self.max_size / float(np.sqrt(height * width)))
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            img = cv2.resize(img, size, interpolation=cv2.INTER_AREA)
        smallest = max(_SMALLEST, round(self.min_size * min(img.shape[:2])))
        if min(img.shape[:2]) < smallest:
            return []
        grey = cv2.equalizeHist(cv2.cvtColor(img, cv2.COLOR_BGR2GRAY))
        found = self._cascade().detectMultiScale(
            grey, scaleFactor=self.scale_factor, minNeighbors=self.min_neighbors, minSize=(smallest, smallest)
        )
        ratio = np.tile([width / img.shape[1], height / img.shape[0]], 2)
        boxes = np.asarray(found, np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        return largest_first(Face(tuple(map(float, box))) for box in boxes * ratio)

    def _cascade(self) -> Any:
        cascades = vars(self._local)
        if 'cascade' not in cascades:
            path = Path(getattr(getattr(cv2, 'data', None), 'haarcascades', '')) / _CASCADE
            if not hasattr(cv2, 'CascadeClassifier') or not path.is_file():
                raise RuntimeError(
                    f'OpenCV {cv2.__version__} comes without {_CASCADE}: install opencv-python >= 4.8, < 5, or use '
                    "the detector 'yunet'"
                )
            cascades['cascade'] = cv2.CascadeClassifier(str(path))
        return cascades['cascade']
