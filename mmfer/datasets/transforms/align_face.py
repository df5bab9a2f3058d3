"""Alignment of the face that a data set, or a detector, marks with five landmarks."""

import warnings
from collections.abc import Sequence
from typing import Union

from mmcv.transforms import BaseTransform

from mmfer.faces.alignment import align_by_box, align_face, check_output_size
from mmfer.faces.cropping import check_margin, check_pad
from mmfer.registry import TRANSFORMS


@TRANSFORMS.register_module()
class AlignFace(BaseTransform):
    """Turn, scale and cut out the face so that its landmarks lie where ArcFace has them.

    It is :func:`mmfer.faces.align_face`, which inference and ``tools/dataset_converters/align_faces.py`` use as well.

    Used keys: ``img`` (uint8 (H, W, 3)), ``face_landmarks`` (5, 2): eyes, nose, corners of the mouth, (x, y) in pixels
    of ``img``, and ``face_box`` (x1, y1, x2, y2). Changed: ``img`` and ``img_shape`` (H, W). ``face_landmarks`` and
    ``face_box`` are removed, since they are not those of the new image.

    Without landmarks, as the detector ``Haar`` leaves them, a face with a box is centred and scaled by it, but not
    turned (:func:`mmfer.faces.align_by_box`), with one warning; ``required`` makes that an error. Samples with neither
    are left as they are: images that are one face each.

    Args:
        size (int | Sequence[int]): Side of the result in pixels, or (h, w). Defaults to 224.
        margin (float): Added around ArcFace's own crop, or the box, on each side, as a fraction of its side; more than
            -0.5. Defaults to 0.
        pad (str): What lies outside the image: 'edge' repeats its outermost pixels, 'zero' is black. Defaults to
            'edge'.
        required (bool): A sample without landmarks is an error. Defaults to False.

    Raises:
        ValueError: The landmarks are not those of a face in the image, or are required and not there; the box is no
            box in the image. The message names the image.
    """

    def __init__(
        self, size: Union[int, Sequence] = 224, margin: float = 0.0, pad: str = 'edge', required: bool = False
    ):
        try:
            self.size = check_output_size(size)
            self.margin = check_margin(margin)
            self.pad = check_pad(pad)
        except ValueError as error:
            raise ValueError(f'AlignFace: {error}') from None
        self.required = required

    def transform(self, results: dict) -> dict:
        """Align the face of the sample.

        Args:
            results (dict): The sample.

        Returns:
            dict: The same dict with the keys above changed.
        """
        landmarks, box = results.get('face_landmarks'), results.get('face_box')
        if landmarks is None and self.required:
            raise ValueError(
                f'AlignFace: {self._name(results)} has no face_landmarks; take a detector that finds them (YuNet), or '
                'set required=False, which centres the face by its box'
            )
        if landmarks is None and box is None:
            return results
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
            raise ValueError(f'AlignFace: {self._name(results)}: {error}') from None
        results['img'] = img
        results['img_shape'] = img.shape[:2]
        for key in ('face_landmarks', 'face_box'):
            results.pop(key, None)
        return results

    @staticmethod
    def _name(results: dict) -> str:
        return results.get('img_path') or f'sample {results.get("sample_idx", "?")}'

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(size={self.size}, margin={self.margin}, pad={self.pad!r}, required={self.required})'
        )
