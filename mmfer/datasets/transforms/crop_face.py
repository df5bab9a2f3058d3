"""Cropping of the face that a data set marks with a box."""

from mmcv.transforms import BaseTransform

from mmfer.faces.cropping import check_margin, check_pad, crop_region, cut
from mmfer.registry import TRANSFORMS


@TRANSFORMS.register_module()
class CropFace(BaseTransform):
    """Crop the image to the face's box, with a margin, as :func:`mmfer.faces.crop_face` does.

    The crop keeps the centre of the box, its sides rounded to whole pixels. Where it leaves the image, 'edge' repeats
    the outermost pixels and 'zero' fills in black.

    Used keys: ``img`` (uint8 (H, W, 3)) and ``face_box`` (x1, y1, x2, y2), in pixels of ``img``. Changed: ``img`` and
    ``img_shape`` (H, W). ``face_box`` and ``face_landmarks`` are removed, since they are not those of the new image;
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
        try:
            self.margin = check_margin(margin)
            self.pad = check_pad(pad)
        except ValueError as error:
            raise ValueError(f'CropFace: {error}') from None
        self.square = square
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
        try:
            region = crop_region(results['face_box'], img.shape[:2], self.margin, self.square)
        except ValueError as error:
            raise ValueError(f'CropFace: {self._name(results)}: {error}') from None
        results['img'] = img = cut(img, region, self.pad)
        results['img_shape'] = img.shape[:2]
        results['crop_box'] = region
        for key in ('face_landmarks', 'face_box'):
            results.pop(key, None)
        return results

    @staticmethod
    def _name(results: dict) -> str:
        return results.get('img_path') or f'sample {results.get("sample_idx", "?")}'

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(margin={self.margin}, square={self.square}, pad={self.pad!r}, '
            f'required={self.required})'
        )
