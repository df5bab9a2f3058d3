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

from .cropping import check_image, crop_region

DOWNLOAD = 'mmfer download yunet'
_TURNS = {0: None, 90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
# Sides of squares with as many pixels as the images that are searched. The network finds faces of about 20 to 500
# pixels: the fine image is enlarged so that it shows small ones, and the coarse one shows those that fill the picture.
_FINE, _COARSE = 640, 256
CLOSE_SIDE, _CLOSE_MARGIN = 96, 0.4  # of the crop around a face that is looked at again, pixels and share of its side
_GLANCE, _PART = 192, 192  # pixels: side of what a glance sees, and to which a small part of an image is enlarged
_WITHIN = 0.7  # of its area: a box that lies so far within that of a surer, larger face is a part of this face
_MOST_ENLARGED = 4
_SMALLEST = 8  # pixels a side: less holds no face
_STRIDE = 32  # the network wants whole multiples
_LEAST_COARSE = 24  # pixels a side: the fine image shows such faces surely, and the coarse one invents some of its own


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
        return _faces(best)

    def glance(self, img: np.ndarray) -> list[Face]:
        """As a call, but only faces that a small version of the image shows, of a tenth of its side and more."""
        img = check_image(img, 'YuNet')
        if min(img.shape[:2]) < _SMALLEST:
            return []
        side = float(np.sqrt(img.shape[0] * img.shape[1]))
        return _faces(_without_parts(self._detect('glance', *_shrunk(img, min(1.0, _GLANCE / side)))))

    def look(self, img: np.ndarray, box: Sequence[float]) -> list[Face]:
        """As a call, but only faces about the place where one is expected, of about the size of this box.

        The crop around the box is brought to 96 x 96 pixels, so the time does not depend on the image.
        """
        try:
            region = close_region(box, img.shape)
        except ValueError:  # it is no longer in the image
            return []
        return self._within('close', img, region, CLOSE_SIDE / (region[2] - region[0]))

    def look_in(self, img: np.ndarray, region: tuple[int, int, int, int]) -> list[Face]:
        """As a call, but only faces in a part (x1, y1, x2, y2) of the image, which it may leave.

        Where the part is small it is enlarged, which shows smaller faces than a call does.
        """
        longer = max(region[2] - region[0], region[3] - region[1])
        return self._within('part', img, region, max(self._scale(img.shape), min(_PART / longer, 2.0)))

    def _within(self, level: str, img: np.ndarray, region: tuple[int, int, int, int], scale: float) -> list[Face]:
        height, width = img.shape[:2]
        x1, y1, x2, y2 = max(region[0], 0), max(region[1], 0), min(region[2], width), min(region[3], height)
        found = self._detect(level, *_shrunk(img[y1:y2, x1:x2], scale))
        found[:, :14] += np.tile([x1, y1], 7)
        centre = (found[:, :2] + found[:, 2:4]) / 2
        return _faces(found[((centre > 0) & (centre < [width, height])).all(axis=1)])

    def _scale(self, shape: Sequence[int]) -> float:
        """How far an image of this shape is enlarged or shrunk for the search."""
        side = float(np.sqrt(shape[0] * shape[1]))
        return min(max(1.0, _FINE / side), _MOST_ENLARGED, self.max_size / side)

    def _search(self, img: np.ndarray) -> np.ndarray:
        """Faces (N, 15): corners of the box, five points, score; in pixels of ``img``."""
        height, width = img.shape[:2]
        side, scale = float(np.sqrt(height * width)), self._scale(img.shape)
        small = _resized(img, scale)
        if min(small.shape[:2]) < _SMALLEST:
            return np.empty((0, 15))
        found = [self._detect('fine', small, img.shape)]
        if side * scale > 1.5 * _COARSE:
            coarse = self._detect('coarse', _resized(small, _COARSE / (side * scale)), img.shape)
            found.append(coarse[coarse[:, 3] - coarse[:, 1] >= _LEAST_COARSE * side / _COARSE])
        faces = np.concatenate(found)
        boxes = np.concatenate([faces[:, :2], faces[:, 2:4] - faces[:, :2]], axis=1)
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), faces[:, 14].tolist(), self.score_threshold, self.nms_threshold)
        return _without_parts(faces[np.asarray(kept, int).reshape(-1)])

    def _detect(self, level: str, img: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Faces (N, 15) in one resized image, in pixels of the original of ``shape``."""
        height, width = img.shape[:2]
        # OpenCV pads to multiples of 32, but gives nonsense for images of few pixels.
        least = CLOSE_SIDE // _STRIDE if level == 'close' else 2  # one size, also where the image cuts the crop
        bottom, right = (max(-(-length // _STRIDE), least) * _STRIDE - length for length in (height, width))
        if bottom or right:
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
        remedy = f'Fetch it with: {DOWNLOAD} (mmfer explain no-detector)'
        raise FileNotFoundError(f'the face detector YuNet is not there: {path}. {remedy}')
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


def close_region(box: Sequence[float], shape: Sequence[int]) -> tuple[int, int, int, int]:
    """The square (x1, y1, x2, y2) around a box that :meth:`YuNet.look` sees of an image of ``shape`` (H, W).

    Raises:
        ValueError: It lies outside the image.
    """
    return crop_region(tuple(map(float, box)), shape, _CLOSE_MARGIN)


def _faces(rows: np.ndarray) -> list[Face]:
    return largest_first(
        Face(tuple(map(float, row[:4])), float(row[14]), row[4:14].reshape(5, 2).astype(np.float32)) for row in rows
    )


def _resized(img: np.ndarray, scale: float) -> np.ndarray:
    if scale == 1:
        return img
    height, width = (max(1, round(length * scale)) for length in img.shape[:2])
    return cv2.resize(img, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def _shrunk(img: np.ndarray, scale: float) -> tuple[np.ndarray, tuple[int, int]]:
    """As :func:`_resized`, and the shape of what is shown, which may lack some pixels at the right and below.

    Below a half it takes half the time: OpenCV takes means of 2x2 pixels much faster than others.
    """
    halved = 1
    while scale <= 0.5 and min(img.shape[:2]) > 1:
        height, width = (length // 2 for length in img.shape[:2])
        img = cv2.resize(img[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
        scale, halved = 2 * scale, 2 * halved
    return _resized(img, scale), (halved * img.shape[0], halved * img.shape[1])


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
