"""Alignment of a face by its five landmarks: one similarity transform onto the places that ArcFace uses.

Paper: ArcFace: Additive Angular Margin Loss for Deep Face Recognition, https://arxiv.org/abs/1801.07698
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import cv2
import numpy as np

from .cropping import BORDERS, check_image, check_margin, check_pad, check_pixels, crop_region, name_of
from .resizing import check_size

# Eyes, nose and corners of the mouth (x, y) in an image of 112 x 112 pixels, left before right as seen in the image.
ARCFACE_112 = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)
_LEAST_LIKENESS = 0.5  # faces, those in profile and half hidden ones included, have 0.8 and more, mirrored ones 0.2


def arcface_template(size: int | Sequence[int] = 112, margin: float = 0.0) -> np.ndarray:
    """Where the five landmarks of an aligned face lie.

    Args:
        size: Side of the image in pixels, or (h, w); the face fits into the shorter side and is centred.
        margin: Added around the face on each side, as a fraction of the shorter side without it: at 0.25, the face has
            two thirds of its size. 0 is ArcFace's own.

    Returns:
        np.ndarray: (5, 2) float64, (x, y) of pixel centres: the first pixel of the image is (0, 0).

    >>> arcface_template(112)[0].round(4).tolist()
    [38.2946, 51.6963]
    """
    height, width = check_size('size', size)
    scale = min(height, width) / (112 * (1 + 2 * check_margin(margin)))
    from_centre = np.asarray(ARCFACE_112) - 55.5
    return from_centre * scale + [(width - 1) / 2, (height - 1) / 2]


def estimate_similarity(src: np.ndarray, dst: np.ndarray) -> np.ndarray:
    r"""The rotation, uniform scale and shift, without reflection, that bring ``src`` nearest to ``dst``.

    With points as complex numbers and a bar for those less their mean, :math:`d \approx a s + b` is least at

    .. math::
        a = \frac{\sum_i \operatorname{conj}(\bar s_i) \bar d_i}{\sum_i |\bar s_i|^2}, \quad b = \bar d - a \bar s

    which is the solution of Umeyama (https://doi.org/10.1109/34.88573) in the plane with reflection excluded.

    Args:
        src: (N, 2), at least two different points.
        dst: (N, 2).

    Returns:
        np.ndarray: (2, 3) float64 M with dst ~ M[:, :2] src + M[:, 2], as cv2.warpAffine takes it.

    Raises:
        ValueError: The points are not finite, coincide, or determine no similarity.
    """
    src, dst = np.asarray(src, np.float64), np.asarray(dst, np.float64)
    if src.shape != dst.shape or src.ndim != 2 or src.shape[1] != 2 or len(src) < 2:
        raise ValueError(f'points must be two arrays (N, 2) with N >= 2, not of shapes {src.shape} and {dst.shape}')
    if not (np.isfinite(src).all() and np.isfinite(dst).all()):
        raise ValueError('points must be finite numbers')
    s, d = src[:, 0] + 1j * src[:, 1], dst[:, 0] + 1j * dst[:, 1]
    s_mean, d_mean = s.mean(), d.mean()
    s, d = s - s_mean, d - d_mean
    spread = (np.abs(s) ** 2).sum()
    if spread <= 1e-12 * max(1.0, abs(s_mean) ** 2):
        raise ValueError('points coincide: they determine no similarity')
    a = (np.conj(s) * d).sum() / spread
    if abs(a) <= 1e-6 * np.sqrt((np.abs(d) ** 2).sum() / spread) or a == 0:
        raise ValueError('points determine no similarity: the targets coincide, or one set is the mirrored other')
    b = d_mean - a * s_mean
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def align_face(
    img: np.ndarray,
    landmarks: np.ndarray,
    size: int | Sequence[int] = 112,
    margin: float = 0.0,
    pad: str = 'edge',
) -> np.ndarray:
    """Turn, scale and cut out a face so that its landmarks come as near as possible to :func:`arcface_template`.

    Faces larger than the output are averaged over areas: interpolation alone would skip pixels, and fine structures
    would turn into false ones. Parts that lie outside the image are made up, see ``pad``.

    Args:
        img: uint8 BGR (H, W, 3).
        landmarks: (5, 2) in pixels of ``img``: eyes, nose, corners of the mouth, left before right.
        size: Side of the result in pixels, or (h, w).
        margin: Around ArcFace's own crop, see :func:`arcface_template`.
        pad: 'edge' repeats the outermost pixels of the image, 'zero' fills in black.

    Returns:
        np.ndarray: uint8 BGR (h, w, 3).

    Raises:
        ValueError: The landmarks are not the five points of a face in or near the image, or another argument is wrong.
    """
    img = check_image(img, 'align_face')
    check_pad(pad)
    height, width = check_size('size', size)
    landmarks = np.asarray(landmarks, np.float64)
    if landmarks.shape != (5, 2):
        raise ValueError(f'landmarks must be of shape (5, 2), not {landmarks.shape}')
    template = arcface_template((height, width), margin)
    try:
        matrix = estimate_similarity(landmarks, template)
    except ValueError as error:
        raise ValueError(f'landmarks {landmarks.tolist()}: {error}') from None
    spreads = [np.linalg.norm(points - points.mean(axis=0)) for points in (landmarks, template)]
    if math.hypot(matrix[0, 0], matrix[1, 0]) * spreads[0] / spreads[1] < _LEAST_LIKENESS:
        raise ValueError(
            f'landmarks {landmarks.tolist()} are not those of a face: they must be the eyes, the nose and the corners '
            'of the mouth, of each pair first the one that is on the left of the upright picture'
        )
    return warp_similarity(img, matrix, (height, width), BORDERS[pad])


def align_by_box(
    img: np.ndarray,
    box: Sequence[float],
    size: int | Sequence[int] = 112,
    margin: float = 0.0,
    pad: str = 'edge',
) -> np.ndarray:
    """What :func:`align_face` can do without landmarks: the face's box, centred and scaled, but not turned.

    The square on the longer side of the box, with the margin, fits into the shorter side of the result: what
    :func:`mmfer.faces.cropping.crop_face` cuts out, resized. Faces have about the same size as aligned ones: the crop
    of the ArcFace template is 1.1 to 1.2 times the longer side of the boxes of YuNet.

    Args:
        img: uint8 BGR (H, W, 3).
        box: (x1, y1, x2, y2) in pixels.
        size: Side of the result in pixels, or (h, w).
        margin: See :func:`mmfer.faces.cropping.crop_face`.
        pad: 'edge' or 'zero', see :func:`align_face`.

    Returns:
        np.ndarray: uint8 BGR (h, w, 3).

    Raises:
        ValueError: The box is no box, lies outside the image or far exceeds it; or another argument is wrong.
    """
    img = check_image(img, 'align_by_box')
    check_pad(pad)
    height, width = check_size('size', size)
    x1, y1, x2, y2 = crop_region(box, img.shape[:2], margin)
    scale = min(height, width) / (x2 - x1)
    x, y = (x1 + x2 - 1) / 2, (y1 + y2 - 1) / 2
    matrix = np.array([[scale, 0, (width - 1) / 2 - scale * x], [0, scale, (height - 1) / 2 - scale * y]])
    return warp_similarity(img, matrix, (height, width), BORDERS[pad])


def warp_similarity(img: np.ndarray, matrix: np.ndarray, size: tuple[int, int], border: int) -> np.ndarray:
    """The image under a similarity, like ``cv2.warpAffine``, but without aliasing where it shrinks.

    Args:
        img: (H, W, C).
        matrix: (2, 3), from pixels of ``img`` to those of the result.
        size: (h, w) of the result.
        border: One of OpenCV's border modes.

    Raises:
        ValueError: The result would show nothing of the image.
    """
    height, width = size
    shrink = 1 / math.hypot(matrix[0, 0], matrix[1, 0])
    x1, y1, x2, y2 = _visible(img.shape, matrix, size, math.ceil(2 * shrink) + 2)
    img, matrix = img[y1:y2, x1:x2], _compose(matrix, np.array([[1.0, 0, x1], [0, 1, y1]]))
    if shrink <= 1:
        return cv2.warpAffine(img, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=border)
    # Averages down to twice the resolution of the result; what is left, up to a factor of 2, is sampled twice as
    # densely and averaged as well.
    if shrink > 2:
        old = img.shape[1], img.shape[0]
        new = tuple(max(1, round(length * 2 / shrink)) for length in old)
        img = cv2.resize(img, new, interpolation=cv2.INTER_AREA)
        fx, fy = old[0] / new[0], old[1] / new[1]
        matrix = _compose(matrix, np.array([[fx, 0, fx / 2 - 0.5], [0, fy, fy / 2 - 0.5]]))
    matrix = _compose(np.array([[2.0, 0, 0.5], [0, 2, 0.5]]), matrix)
    dense = cv2.warpAffine(img, matrix, (2 * width, 2 * height), flags=cv2.INTER_LINEAR, borderMode=border)
    return cv2.resize(dense, (width, height), interpolation=cv2.INTER_AREA)


def _compose(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """(2, 3) of doing ``before``, then ``after``."""
    return after @ np.vstack([before, [0, 0, 1]])


def _visible(shape: tuple[int, ...], matrix: np.ndarray, size: tuple[int, int], more: int) -> tuple[int, int, int, int]:
    """The part (x1, y1, x2, y2) of an image of ``shape`` that the result shows, and ``more`` pixels around it."""
    height, width = size
    corners = np.array([[-0.5, -0.5], [width - 0.5, -0.5], [-0.5, height - 0.5], [width - 0.5, height - 0.5]])
    inverse = cv2.invertAffineTransform(matrix)
    places = corners @ inverse[:, :2].T + inverse[:, 2]
    limit = 2.0**31
    low = np.clip(np.floor(places.min(axis=0)), -limit, limit).astype(int)
    high = np.clip(np.ceil(places.max(axis=0)), -limit, limit).astype(int) + 1
    if not min(shape[:2]) or (low >= [shape[1], shape[0]]).any() or (high <= 0).any():
        raise ValueError(f'the face lies outside the image of {shape[1]} x {shape[0]}')
    x1, y1 = np.maximum(low - more, 0)
    x2, y2 = np.minimum(high + more, [shape[1], shape[0]])
    return int(x1), int(y1), int(x2), int(y2)


class AlignFace:
    """Turn, scale and cut out the face so that its landmarks lie where ArcFace has them.

    It is :func:`align_face`, which ``mmfer data align`` uses as well.

    Used keys: ``img`` (uint8 (H, W, 3)), ``face_landmarks`` (5, 2): eyes, nose, corners of the mouth, (x, y) in pixels
    of ``img``, and ``face_box`` (x1, y1, x2, y2). Changed: ``img`` and ``img_shape`` (H, W). ``face_landmarks`` and
    ``face_box`` are removed, since they are not those of the new image.

    Without landmarks, as the detector ``Haar`` leaves them, a face with a box is centred and scaled by it, but not
    turned (:func:`align_by_box`), with one warning; ``required`` makes that an error. Samples with neither
    are left as they are: images that are one face each.

    Args:
        size: Side of the result in pixels, or (h, w).
        margin: Added around ArcFace's own crop, or the box, on each side, as a fraction of its side; more than -0.5.
        pad: What lies outside the image: 'edge' repeats its outermost pixels, 'zero' is black.
        required: A sample without landmarks is an error.

    Raises:
        TypeError: ``size`` is no integer and no pair of them.
        ValueError: The landmarks are not those of a face in the image, or are required and not there; the box is no
            box in the image; the image is not as it was loaded. The message names the image.
    """

    def __init__(self, size: int | Sequence = 224, margin: float = 0.0, pad: str = 'edge', required: bool = False):
        self.size = check_size('AlignFace: size', size)
        self.margin = check_margin(margin, 'AlignFace: ')
        self.pad = check_pad(pad, 'AlignFace: ')
        self.required = required

    def __call__(self, results: dict) -> dict:
        """The sample with the keys above changed."""
        landmarks, box = results.get('face_landmarks'), results.get('face_box')
        if landmarks is None and self.required:
            raise ValueError(
                f'AlignFace: {name_of(results)} has no face_landmarks; take a detector that finds them (YuNet), or '
                'set required=False, which centres the face by its box'
            )
        if landmarks is None and box is None:
            return results
        check_pixels(results, 'AlignFace')
        try:
            if landmarks is None:
                warnings.warn(
                    'AlignFace: faces without landmarks are centred by their boxes and not turned; required=True makes '
                    'them errors',
                    stacklevel=2,
                )
                img = align_by_box(results['img'], box, self.size, self.margin, self.pad)
            else:
                img = align_face(results['img'], landmarks, self.size, self.margin, self.pad)
        except ValueError as error:
            raise ValueError(f'AlignFace: {name_of(results)}: {error}') from None
        results['img'] = img
        results['img_shape'] = img.shape[:2]
        for key in ('face_landmarks', 'face_box'):
            results.pop(key, None)
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(size={self.size}, margin={self.margin}, pad={self.pad!r}, required={self.required})'
        )
