"""Cutting a face out of an image by its box, with a margin and without alignment."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence

import cv2
import numpy as np

LARGEST = 8  # of the image's longer side: what lies beyond is a mistake in the box, not a face at the edge
BORDERS = dict(edge=cv2.BORDER_REPLICATE, zero=cv2.BORDER_CONSTANT)


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


def check_margin(value: object, who: str = '') -> float:
    """``value`` as a float, or ValueError where it is no finite number above -0.5; ``who`` begins the message."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not -0.5 < value < math.inf:
        raise ValueError(f'{who}margin={value!r} must be a number above -0.5')
    return float(value)


def check_pad(value: object, who: str = '') -> str:
    """``value``, or ValueError where it is not 'edge' or 'zero'."""
    if not isinstance(value, str) or value not in BORDERS:
        raise ValueError(f"{who}pad={value!r} must be 'edge' or 'zero'")
    return value


def crop_region(
    box: Sequence[float], shape: Sequence[int], margin: float = 0.0, square: bool = True
) -> tuple[int, int, int, int]:
    """Where :func:`crop_face` cuts: (x1, y1, x2, y2) in whole pixels; it overlaps the image and may leave it.

    Args:
        box: (x1, y1, x2, y2).
        shape: (H, W) of the image.
        margin: See :func:`crop_face`.
        square: Likewise.

    Raises:
        ValueError: The box is no box, lies outside the image or far exceeds it.

    >>> crop_region((10, 8, 18, 12), (20, 30), margin=0.25)
    (8, 4, 20, 16)
    """
    margin = check_margin(margin)
    try:
        corners = np.asarray(box, dtype=np.float64)
    except (TypeError, ValueError):
        corners = np.empty(0)
    name = f'face_box {box!r}'
    if corners.shape != (4,) or not np.isfinite(corners).all() or (corners[2:] <= corners[:2]).any():
        raise ValueError(f'{name} must be four numbers (x1, y1, x2, y2) with x1 < x2 and y1 < y2')
    height, width = shape[:2]
    size = corners[2:] - corners[:2]
    longer = size.max()
    sides = (np.full(2, longer) if square else size) + 2 * margin * longer
    if sides.max() > LARGEST * max(height, width):
        raise ValueError(f'{name} asks for a crop far larger than the image of {width} x {height}')
    sides = np.maximum(np.floor(sides + 0.5), 1)
    first = np.floor((corners[:2] + corners[2:] - sides) / 2 + 0.5)
    x1, y1, x2, y2 = (int(value) for value in (*first, *(first + sides)))
    if x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
        raise ValueError(f'{name} lies outside the image of {width} x {height}')
    return x1, y1, x2, y2


def cut(img: np.ndarray, region: Sequence[int], pad: str = 'edge') -> np.ndarray:
    """A copy of a region (x1, y1, x2, y2) that overlaps the image, continued beyond its edges as ``pad`` says."""
    x1, y1, x2, y2 = region
    height, width = img.shape[:2]
    inside = img[max(y1, 0) : y2, max(x1, 0) : x2]
    border = (max(-y1, 0), max(y2 - height, 0), max(-x1, 0), max(x2 - width, 0))
    # Either way a copy, which does not keep the whole photograph in memory.
    return cv2.copyMakeBorder(inside, *border, BORDERS[pad]) if any(border) else inside.copy()


def crop_face(
    img: np.ndarray, box: Sequence[float], margin: float = 0.0, square: bool = True, pad: str = 'edge'
) -> np.ndarray:
    """Cut out a face, with a margin. The transform :class:`CropFace` does the same to samples.

    The crop keeps the centre of the box, its sides rounded to whole pixels. Where it leaves the image, 'edge' repeats
    the outermost pixels: black bars would show where the photograph ends, which tells about the data set and not about
    the expression, and shift the image's mean. 'zero' fills in black, as some published crops have it.

    Args:
        img: (H, W, 3), or (H, W).
        box: (x1, y1, x2, y2) in pixels.
        margin: Added on each of the four sides, as a fraction of the box's longer side; more than -0.5.
        square: Make the crop a square on the longer side, so that resizing keeps the face's proportions.
        pad: 'edge' or 'zero', see above.

    Returns:
        np.ndarray: A new array; its size follows from the box.

    Raises:
        ValueError: The box is no box, lies outside the image or far exceeds it; or an option is wrong.
    """
    check_pad(pad)
    return cut(img, crop_region(box, img.shape[:2], margin, square), pad)


def quarter_turns(landmarks: np.ndarray) -> int:
    """By how many quarter turns a face lies clockwise, from -2 to 2; 0 up to a tilt of 45 degrees.

    Args:
        landmarks: (5, 2): eyes, nose, corners of the mouth, (x, y) in pixels.
    """
    x, y = np.mean(landmarks[3:], axis=0) - np.mean(landmarks[:2], axis=0)
    return round(math.atan2(-x, y) / (math.pi / 2))


def name_of(sample: dict) -> str:
    """What errors call a sample."""
    return sample.get('img_path') or f'sample {sample.get("sample_idx", "?")}'


def check_pixels(sample: dict, who: str) -> None:
    """Raise a ValueError where box and landmarks, which count pixels of the file, do not fit the image any more."""
    shape = sample['img'].shape[:2]
    if sample.get('flip') or tuple(sample.get('ori_shape', shape)) != shape:
        raise ValueError(
            f'{who}: {name_of(sample)}: the image was resized, cropped or flipped before, and its face_box and '
            f'face_landmarks were not. Put {who} right after LoadImageFromFile.'
        )


class CropFace:
    """Crop the image to the face's box, with a margin, as :func:`crop_face` does.

    A face whose landmarks say that it lies on its side or upside down is turned upright by quarter turns.

    Used keys: ``img`` (uint8 (H, W, 3)), ``face_box`` (x1, y1, x2, y2) and, where they are there, ``face_landmarks``
    (5, 2), in pixels of ``img``. Changed: ``img`` and ``img_shape`` (H, W). ``face_box`` and ``face_landmarks`` are
    removed, since they are not those of the new image; ``crop_box`` (x1, y1, x2, y2), int, tells what was cropped.
    Samples without a box are left as they are.

    Args:
        margin: Added on each of the four sides, as a fraction of the box's longer side; more than -0.5.
        square: Make the crop a square on the longer side, so that resizing keeps the face's proportions.
        pad: Where the crop leaves the image, 'edge' repeats the outermost pixels and 'zero' fills in black.
        required: A sample without a box is an error.

    Raises:
        ValueError: The box is no box, lies outside the image or far exceeds it, or is required and not there, or the
            image is not as it was loaded; the message names the image.
    """

    def __init__(self, margin: float = 0.0, square: bool = True, pad: str = 'edge', required: bool = False):
        self.margin = check_margin(margin, 'CropFace: ')
        self.pad = check_pad(pad, 'CropFace: ')
        self.square = square
        self.required = required

    def __call__(self, results: dict) -> dict:
        """The sample with the keys above changed."""
        if results.get('face_box') is None:
            if self.required:
                raise ValueError(f'CropFace: {name_of(results)} has no face_box; required=False leaves it uncropped')
            return results
        check_pixels(results, 'CropFace')
        img = results['img']
        try:
            region = crop_region(results['face_box'], img.shape[:2], self.margin, self.square)
        except ValueError as error:
            raise ValueError(f'CropFace: {name_of(results)}: {error}') from None
        img, landmarks = cut(img, region, self.pad), results.get('face_landmarks')
        if np.shape(landmarks) == (5, 2) and np.isfinite(landmarks).all():
            img = np.ascontiguousarray(np.rot90(img, quarter_turns(landmarks)))
        results['img'] = img
        results['img_shape'] = img.shape[:2]
        results['crop_box'] = region
        for key in ('face_landmarks', 'face_box'):
            results.pop(key, None)
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(margin={self.margin}, square={self.square}, pad={self.pad!r}, '
            f'required={self.required})'
        )
