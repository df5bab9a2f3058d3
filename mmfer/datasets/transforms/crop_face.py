"""Cropping of the face that a data set marks with a box."""

import math
import numbers

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmfer.registry import TRANSFORMS

_LARGEST = 8  # of the image's longer side: what lies beyond is a mistake in the box, not a face at the edge
_BORDERS = dict(edge=cv2.BORDER_REPLICATE, zero=cv2.BORDER_CONSTANT)


@TRANSFORMS.register_module()
class CropFace(BaseTransform):
    """Crop the image to the face's box, with a margin.

    The crop keeps the centre of the box, its sides rounded to whole pixels. Where it leaves the image, 'edge' repeats
    the outermost pixels: black bars would show where the photograph ends, which tells about the data set and not about
    the expression, and shift the image's mean. 'zero' fills in black, as some published crops have it.

    Used keys: ``img`` (uint8 (H, W, 3)) and ``face_box`` (x1, y1, x2, y2), in pixels of ``img``. Changed: ``img`` and
    ``img_shape`` (H, W). ``face_box`` is removed, since the transforms that follow would not move it along;
    ``crop_box`` (x1, y1, x2, y2), int, tells what was cropped. Samples without a box are left as they are.

    Args:
        margin (float): Added on each of the four sides, as a fraction of the box's longer side; more than -0.5.
            Defaults to 0.
        square (bool): Make the crop a square on the longer side, so that resizing keeps the face's proportions.
            Defaults to True.
        pad (str): 'edge' or 'zero', see above. Defaults to 'edge'.
        required (bool): A sample without a box is an error. Defaults to False.

    Raises:
        ValueError: The box is no box, lies outside the image or far exceeds it, or is required and not there; the
            message names the image.
    """

    def __init__(self, margin: float = 0.0, square: bool = True, pad: str = 'edge', required: bool = False):
        if isinstance(margin, bool) or not isinstance(margin, numbers.Real) or not -0.5 < margin < math.inf:
            raise ValueError(f'CropFace: margin={margin!r} must be a number above -0.5')
        if pad not in _BORDERS:
            raise ValueError(f"CropFace: pad={pad!r} must be 'edge' or 'zero'")
        self.margin = float(margin)
        self.square = square
        self.pad = pad
        self.required = required

    def transform(self, results: dict) -> dict:
        """Crop the sample.

        Args:
            results (dict): The sample.

        Returns:
            dict: The same dict with the keys above changed.
        """
        if results.get('face_box') is None:
            if self.required:
                raise ValueError(f'CropFace: {self._name(results)} has no face_box; required=False leaves it uncropped')
            return results
        img = results['img']
        x1, y1, x2, y2 = self._region(results, img.shape[:2])
        height, width = img.shape[:2]
        inside = img[max(y1, 0) : y2, max(x1, 0) : x2]
        border = (max(-y1, 0), max(y2 - height, 0), max(-x1, 0), max(x2 - width, 0))
        # Either way a copy, which does not keep the whole photograph in memory.
        img = cv2.copyMakeBorder(inside, *border, _BORDERS[self.pad]) if any(border) else inside.copy()
        results['img'] = img
        results['img_shape'] = img.shape[:2]
        results['crop_box'] = (x1, y1, x2, y2)
        del results['face_box']
        return results

    def _region(self, results: dict, shape: tuple) -> tuple:
        """Corners of the crop in whole pixels; it overlaps the image."""
        try:
            box = np.asarray(results['face_box'], dtype=np.float64)
        except (TypeError, ValueError):
            box = np.empty(0)
        if box.shape != (4,) or not np.isfinite(box).all() or box[2] <= box[0] or box[3] <= box[1]:
            raise self._error(results, 'must be four numbers (x1, y1, x2, y2) with x1 < x2 and y1 < y2')
        size = box[2:] - box[:2]
        longer = size.max()
        sides = (np.full(2, longer) if self.square else size) + 2 * self.margin * longer
        if sides.max() > _LARGEST * max(shape):
            raise self._error(results, f'asks for a crop far larger than the image of {shape[1]} x {shape[0]}')
        sides = np.maximum(np.floor(sides + 0.5), 1)
        first = np.floor((box[:2] + box[2:] - sides) / 2 + 0.5)
        x1, y1, x2, y2 = (int(value) for value in (*first, *(first + sides)))
        if x1 >= shape[1] or y1 >= shape[0] or x2 <= 0 or y2 <= 0:
            raise self._error(results, f'lies outside the image of {shape[1]} x {shape[0]}')
        return x1, y1, x2, y2

    @classmethod
    def _error(cls, results: dict, problem: str) -> ValueError:
        return ValueError(f'CropFace: {cls._name(results)}: face_box {results["face_box"]!r} {problem}')

    @staticmethod
    def _name(results: dict) -> str:
        return results.get('img_path') or f'sample {results.get("sample_idx", "?")}'

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(margin={self.margin}, square={self.square}, pad={self.pad!r}, '
            f'required={self.required})'
        )
