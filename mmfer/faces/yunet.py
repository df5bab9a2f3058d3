"""YuNet, a small and fast face detector with five landmarks, run by OpenCV.

Paper: YuNet: A Tiny Millisecond-level Face Detector, https://doi.org/10.1007/s11633-023-1423-y
Weights: https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet (its README: MIT licence)
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmfer.structures.results import Face, largest_first
from mmfer.utils.cache_dir import cache_dir

from .cropping import check_image

DOWNLOAD = 'mmfer download yunet'
_TURNS = {0: None, 90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
# Sides of squares with as many pixels as the images that are searched. The network finds faces of about 20 to 500
# pixels: the fine image is enlarged so that it shows small ones, and the coarse one shows those that fill the picture.
_FINE, _COARSE = 640, 256
_WITHIN = 0.7  # of its area: a box that lies so far within that of a surer, larger face is a part of this face
_MOST_ENLARGED = 4
_SMALLEST = 8  # pixels a side: less holds no face
_STRIDE = 32  # the network wants whole multiples


def default_model() -> Path:
    """Where the model is expected: in the cache folder, which the environment variable ``MMFER_CACHE`` moves."""
    return cache_dir() / 'face_detection_yunet_2023mar.onnx'


class YuNet:
    """Finds faces from about ten pixels upwards, frontal to nearly profile, upright to about 45 degrees.

    Many faces that are turned further are found as well, but with five points as if they were upright, which are
    wrong: for pictures that may lie on their side, set ``rotations``. Of faces that the edge of the image cuts, the
    box ends near it, and points that are not seen are guessed.

    Instances may be used by several threads at once and be pickled: each thread and process loads its own network.

    Args:
        model: The ONNX file; None is the one that ``mmfer download yunet`` fetches into the cache folder.
        score_threshold: Faces of less confidence, in (0, 1), are left out.
        nms_threshold: Of two boxes with a larger intersection over union, in (0, 1), the less confident is left out.
        top_k: At most so many candidates are considered.
        max_size: Images with more than ``max_size`` squared pixels are shrunk to that for the search. A face must still
            have about 20 pixels then: at 1280 in a photo of 20 megapixels, about 70.
        rotations: Turns to try, of 0, 90, 180 and 270 degrees clockwise, for images that may lie on their side; all
            faces are those of one turn, that with the largest sum of odds score / (1 - score). Landmarks stay in the
            order of the upright face. Each one costs as much time as the first.

    Raises:
        FileNotFoundError: The model file is not there; the message has the command that fetches it.
        ValueError: It is not YuNet's ONNX file, or an argument is wrong.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        score_threshold: float = 0.6,
        nms_threshold: float = 0.3,
        top_k: int = 5000,
        max_size: int = 1280,
        rotations: Sequence[int] = (0,),
    ) -> None:
        for name, value in dict(score_threshold=score_threshold, nms_threshold=nms_threshold).items():
            if not 0 < value < 1:
                raise ValueError(f'YuNet: {name}={value!r} must lie between 0 and 1')
        if max_size < 64 or top_k < 1:
            raise ValueError(f'YuNet: max_size={max_size!r} must be at least 64 and top_k={top_k!r} at least 1')
        if isinstance(rotations, (str, int)) or not rotations or not set(rotations) <= set(_TURNS):
            raise ValueError(f'YuNet: rotations={rotations!r} must be some of {", ".join(map(str, _TURNS))}')
        self.model = default_model() if model is None else Path(model).expanduser()
        self.score_threshold = float(score_threshold)
        self.nms_threshold = float(nms_threshold)
        self.top_k = int(top_k)
        self.max_size = int(max_size)
        self.rotations = tuple(dict.fromkeys(rotations))
        self._local = threading.local()
        self._network('fine')  # a file that cannot be used is noticed now

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in vars(self).items() if name != '_local'}
        return dict(state, model=self.model.absolute())  # other processes may work in another folder

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _local=threading.local())

    def __repr__(self) -> str:
        return f'YuNet(model={str(self.model)!r}, score_threshold={self.score_threshold}, max_size={self.max_size})'

    def __call__(self, img: np.ndarray) -> list[Face]:
        """Faces in a uint8 BGR image (H, W, 3), in its pixels, largest first; ValueError where it is none."""
        img = check_image(img, 'YuNet')
        if min(img.shape[:2]) < _SMALLEST:
            return []
        best, most = np.empty((0, 15)), 0.0
        for turn in self.rotations:
            found = self._search(img if turn == 0 else cv2.rotate(img, _TURNS[turn]))
            # A turned image shows fewer faces and more false ones, all with lower scores: odds tell them apart, where
            # two doubtful faces would outweigh a sure one by the sum of their scores.
            scores = np.minimum(found[:, 14], 0.999)
            odds = float((scores / (1 - scores)).sum())
            if odds > most:
                best, most = _turned_back(found, turn, img.shape[:2]), odds
        return largest_first(
            Face(tuple(map(float, row[:4])), float(row[14]), row[4:14].reshape(5, 2).astype(np.float32)) for row in best
        )

    def _search(self, img: np.ndarray) -> np.ndarray:
        """Faces (N, 15): corners of the box, five points, score; in pixels of ``img``."""
        height, width = img.shape[:2]
        side = float(np.sqrt(height * width))
        scale = min(max(1.0, _FINE / side), _MOST_ENLARGED, self.max_size / side)
        small = _resized(img, scale)
        if min(small.shape[:2]) < _SMALLEST:
            return np.empty((0, 15))
        found = [self._detect('fine', small, img.shape)]
        if side * scale > 1.5 * _COARSE:
            found.append(self._detect('coarse', _resized(small, _COARSE / (side * scale)), img.shape))
        faces = np.concatenate(found)
        boxes = np.concatenate([faces[:, :2], faces[:, 2:4] - faces[:, :2]], axis=1)
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), faces[:, 14].tolist(), self.score_threshold, self.nms_threshold)
        return _without_parts(faces[np.asarray(kept, int).reshape(-1)])

    def _detect(self, level: str, img: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Faces (N, 15) in one resized image, in pixels of the original of ``shape``."""
        height, width = img.shape[:2]
        # OpenCV pads to multiples of 32, but gives nonsense for images of few pixels.
        bottom, right = (max(-(-length // _STRIDE), 2) * _STRIDE - length for length in (height, width))
        img = cv2.copyMakeBorder(img, 0, bottom, 0, right, cv2.BORDER_CONSTANT)
        network = self._network(level)
        network.setInputSize((img.shape[1], img.shape[0]))
        faces = network.detect(img)[1]
        if faces is None:
            return np.empty((0, 15))
        faces = faces.astype(np.float64)
        faces[:, 2:4] += faces[:, :2]
        faces[:, :14] *= np.tile([shape[1] / width, shape[0] / height], 7)
        centre = (faces[:, :2] + faces[:, 2:4]) / 2
        inside = (centre > 0).all(axis=1) & (centre < [shape[1], shape[0]]).all(axis=1)
        return faces[np.isfinite(faces).all(axis=1) & (faces[:, 2:4] > faces[:, :2]).all(axis=1) & inside]

    def _network(self, level: str) -> Any:
        """This thread's network; one for each level, as every change of the input's size costs time."""
        networks = vars(self._local)
        if level not in networks:
            networks[level] = load_network(self.model, self.score_threshold, self.nms_threshold, self.top_k)
        return networks[level]


def load_network(path: Path, score_threshold: float, nms_threshold: float, top_k: int) -> Any:
    """OpenCV's network from an ONNX file, run once on an empty image.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is another kind of file, cut off, or another network.
    """
    if not path.is_file():
        raise FileNotFoundError(f'the face detector YuNet is not there: {path}. Fetch it with: {DOWNLOAD}')
    content = np.fromfile(path, np.uint8)  # OpenCV itself does not open every path
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        network = cv2.FaceDetectorYN.create(
            'onnx', content, np.empty(0, np.uint8), (64, 64), score_threshold, nms_threshold, top_k
        )
        network.detect(np.zeros((64, 64, 3), np.uint8))
    except (cv2.error, MemoryError):
        own = path == default_model()
        remedy = f'Remove it and fetch it again with: {DOWNLOAD}' if own else f'Fetch the right one with: {DOWNLOAD}'
        raise ValueError(
            f'{path} ({content.size} bytes) is not the ONNX file of YuNet that OpenCV {cv2.__version__} can run: '
            f'another file, or cut off. {remedy}'
        ) from None
    finally:
        cv2.utils.logging.setLogLevel(level)
    return network


def _resized(img: np.ndarray, scale: float) -> np.ndarray:
    if scale == 1:
        return img
    height, width = (max(1, round(length * scale)) for length in img.shape[:2])
    return cv2.resize(img, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def _without_parts(faces: np.ndarray) -> np.ndarray:
    """Faces (N, 15) without those that are a part of another: in large faces the network sees small, doubtful ones."""
    area = (faces[:, 2:4] - faces[:, :2]).prod(axis=1)
    common = np.minimum(faces[:, None, 2:4], faces[None, :, 2:4]) - np.maximum(faces[:, None, :2], faces[None, :, :2])
    within = common.clip(min=0).prod(axis=2) > _WITHIN * area[:, None]
    within &= (area[:, None] < area) & (faces[:, None, 14] < faces[:, 14])
    return faces[~within.any(axis=1)]


def _turned_back(faces: np.ndarray, turn: int, shape: tuple[int, int]) -> np.ndarray:
    """Faces of the image turned clockwise by ``turn`` degrees, as they lie in the image of ``shape`` (H, W)."""
    height, width = shape
    points = faces[:, :14].reshape(-1, 7, 2)
    x, y = points[..., 0], points[..., 1]
    if turn == 90:
        x, y = y, height - x
    elif turn == 180:
        x, y = width - x, height - y
    elif turn == 270:
        x, y = width - y, x
    points = np.stack([x, y], axis=-1)
    corners = points[:, :2]
    points[:, :2] = np.stack([corners.min(axis=1), corners.max(axis=1)], axis=1)
    return np.concatenate([points.reshape(-1, 14), faces[:, 14:]], axis=1)
