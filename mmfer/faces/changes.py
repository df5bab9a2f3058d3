"""Where a video changes: a new face cannot appear elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

_COLUMNS = 128  # cells in the longer side of the picture
_CLEAR = 12  # of 255: less change is noise
_MOST = 0.12  # of the picture: more is not worth the time, and the next complete search is near
_LEAST = 64  # pixels a side of a region
_AGAIN = 0.3  # seconds between the first two looks at a cell that goes on changing; then twice that, and so on

Region = tuple[int, int, int, int]


class ChangeMap:
    """Tells which small parts of the picture have changed since they were looked at.

    Args:
        img: A frame, uint8 BGR (H, W, 3), all of which was looked at.
        seconds: Its time.

    Attributes:
        ground: The mean colours of the cells when they were looked at, uint8 (h, w, 3).
        due: When they may be looked at again, seconds (h, w).
        wait: How long that is, seconds (h, w).
    """

    def __init__(self, img: np.ndarray, seconds: float) -> None:
        self.ground = _cells(img)
        self.due = np.full(self.ground.shape[:2], seconds)
        self.wait = np.full(self.ground.shape[:2], _AGAIN)

    def regions(self, img: np.ndarray, seconds: float, faces: Iterable[Sequence[float]]) -> list[Region]:
        """Parts (x1, y1, x2, y2) of the frame that changed and are looked at now, without these faces.

        Small parts come first, and together they cover about a tenth of the picture at most.
        """
        cells, (height, width) = _cells(img), img.shape[:2]
        changed = (cv2.absdiff(cells, self.ground).max(axis=2) > _CLEAR) & (seconds >= self.due)
        changed = changed.astype(np.uint8)
        ratio = np.array([width / cells.shape[1], height / cells.shape[0]])
        for x1, y1, x2, y2 in faces:
            w, h = x2 - x1, y2 - y1
            low = np.floor(np.array([x1 - 0.4 * w, y1 - 0.4 * h]) / ratio).astype(int).clip(min=0)
            high = np.ceil(np.array([x2 + 0.4 * w, y2 + 0.4 * h]) / ratio).astype(int).clip(min=0)
            changed[low[1] : high[1], low[0] : high[0]] = 0
        if not changed.any():
            return []
        changed = cv2.dilate(changed, np.ones((5, 5), np.uint8))
        parts = cv2.connectedComponentsWithStats(changed)[2][1:]
        found: list[Region] = []
        left = _MOST * width * height
        for x, y, w, h, _ in sorted(parts.tolist(), key=lambda part: part[2] * part[3]):
            size = np.maximum(np.array([w, h]) * ratio, _LEAST)
            middle = np.array([x + w / 2, y + h / 2]) * ratio
            x1, y1 = np.maximum(middle - size / 2, 0).astype(int).tolist()
            x2, y2 = np.minimum(np.ceil(middle + size / 2), [width, height]).astype(int).tolist()
            left -= (x2 - x1) * (y2 - y1)
            if left < 0:
                break
            found.append((x1, y1, x2, y2))
            part = slice(y, y + h), slice(x, x + w)
            self.ground[part] = cells[part]
            self.due[part] = seconds + self.wait[part]
            self.wait[part] *= 2
        return found


def _cells(img: np.ndarray) -> np.ndarray:
    height, width = img.shape[:2]
    scale = min(1.0, _COLUMNS / max(height, width))
    return cv2.resize(img, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA)
