from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from mmfer.structures.results import Face

from .alignment import estimate_similarity
from .boxes import box_centre
from .cropping import cut
from .yunet import CLOSE_SIDE, close_region

# Pixels of the crop by which the flow there and back may miss, and by which points may differ.
_TRUSTED, _STIFF = 1.0, 2.0


def flow_face(before: np.ndarray, img: np.ndarray, face: Face) -> Face | None:
    """A face of the frame before in this one, by the optical flow of its landmarks; None where that cannot be trusted.

    Both frames are grey, uint8 (H, W). Box and landmarks move by the similarity that the landmarks do, in a crop of the
    size that the detector looks at.
    """
    try:
        region = close_region(face.box, img.shape)
    except ValueError:
        return None
    scale = CLOSE_SIDE / (region[2] - region[0])
    side = (CLOSE_SIDE, CLOSE_SIDE)
    old, new = (cv2.resize(cut(frame, region), side, interpolation=cv2.INTER_AREA) for frame in (before, img))
    points = np.asarray(face.landmarks, np.float32)
    start = ((points - region[:2] + 0.5) * scale - 0.5).astype(np.float32)
    options = dict(winSize=(15, 15), maxLevel=2)
    there, ok, _ = cv2.calcOpticalFlowPyrLK(old, new, start, None, **options)
    back, ok_back, _ = cv2.calcOpticalFlowPyrLK(new, old, there, None, **options)
    good = (ok & ok_back).ravel().astype(bool) & (np.linalg.norm(back - start, axis=1) < _TRUSTED)
    if good.sum() < 4:
        return None
    ends = (there + 0.5) / scale - 0.5 + region[:2]
    try:
        matrix = estimate_similarity(points[good], ends[good])
    except ValueError:
        return None
    misses = points[good] @ matrix[:, :2].T + matrix[:, 2] - ends[good]
    if np.abs(misses).max() * scale > _STIFF:
        return None
    centre = matrix[:, :2] @ box_centre(face.box) + matrix[:, 2]
    half = np.hypot(matrix[0, 0], matrix[1, 0]) * (np.asarray(face.box[2:]) - face.box[:2]) / 2
    landmarks = (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    if (centre < 0).any() or (centre > [img.shape[1], img.shape[0]]).any():
        return None
    return replace(face, box=tuple(map(float, (*(centre - half), *(centre + half)))), landmarks=landmarks)
