"""Boxes of faces: how far they overlap, and which belong together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def box_centre(box: Sequence[float]) -> np.ndarray:
    """(x, y) of the centre of a box (x1, y1, x2, y2)."""
    return (np.asarray(box[:2]) + np.asarray(box[2:])) / 2


def box_iou(first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]) -> np.ndarray:
    """Intersection over union of boxes (x1, y1, x2, y2): ``(N, 4), (M, 4) -> (N, M)``.

    >>> box_iou([(0, 0, 2, 2)], [(1, 0, 3, 2), (5, 5, 6, 6)]).round(4).tolist()
    [[0.3333, 0.0]]
    """
    a, b = (np.asarray(boxes, np.float64).reshape(-1, 4) for boxes in (first, second))
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=-1) for boxes in (a, b))
    union = np.add.outer(*areas) - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def greedy_pairs(overlaps: np.ndarray, least: float) -> dict[int, int]:
    """Rows and columns of (N, M) that belong together: pairs of largest overlap first, down to ``least``.

    >>> greedy_pairs(np.array([[0.6, 0.9], [0.8, 0.85]]), 0.3)
    {0: 1, 1: 0}
    """
    pairs: dict[int, int] = {}
    for i, j in zip(*np.unravel_index(np.argsort(-overlaps, axis=None, kind='stable'), overlaps.shape)):
        if overlaps[i, j] < least:
            break
        if i not in pairs and j not in pairs.values():
            pairs[int(i)] = int(j)
    return pairs
