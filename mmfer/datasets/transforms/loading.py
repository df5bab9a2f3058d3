"""Loading of images."""

from typing import Optional

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine import fileio

from mmfer.registry import TRANSFORMS

_JPEG_END = b'\xff\xd9'
_PNG_END = b'\0\0\0\0IEND\xaeB`\x82'  # the whole last chunk: length 0, name, checksum


def _jpeg_ends(data: bytes) -> bool:
    """Whether an end marker follows the picture's own data; one of a thumbnail in the headers does not count."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        if data[place + 1] == 0xDA:  # start of the scan: in what follows, FF D9 means the end alone
            return data.find(_JPEG_END, place) >= 0
        if data[place + 1] == 0xFF:  # a fill byte
            place += 1
        else:
            place += 2 + int.from_bytes(data[place + 2 : place + 4], 'big')
    return _JPEG_END in data  # odd headers: the decoder judges them


def _is_cut_off(data: np.ndarray) -> bool:
    """Whether a JPEG or PNG file lacks its end. Decoders may fill what is missing with grey and not complain.

    Files that end as they should are not searched; bytes after the end are allowed.
    """
    head, tail = data[:4].tobytes(), data[-12:].tobytes()
    if head[:2] == b'\xff\xd8':
        return not tail.endswith(_JPEG_END) and not _jpeg_ends(data.tobytes())
    return head == b'\x89PNG' and tail != _PNG_END and _PNG_END not in data.tobytes()


def read_image(path: str, content: Optional[bytes] = None) -> np.ndarray:
    """Read an image file with OpenCV.

    Args:
        path (str): Any path, non-ASCII ones and addresses that MMEngine's file backends know included.
        content (bytes, optional): What is in the file, where it was read already; errors name ``path``.

    Returns:
        np.ndarray: uint8 BGR (H, W, 3). Grey becomes three channels, alpha is dropped, 16 bits are scaled to 8, and the
        EXIF orientation is applied.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is empty, damaged, cut off (JPEG and PNG: no end marker) or no image; the message names it.
    """
    if content is None and '://' in path:
        content = fileio.get(path)
    data = np.fromfile(path, dtype=np.uint8) if content is None else np.frombuffer(content, dtype=np.uint8)
    if data.size == 0:
        raise ValueError(f'empty image file: {path}')
    if _is_cut_off(data):
        raise ValueError(f'cannot decode the image file {path} ({data.size} bytes): cut off, it lacks its end')
    try:
        img = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ValueError(f'cannot decode the image file {path}: {error.err}') from None
    if img is None:
        raise ValueError(f'cannot decode the image file {path} ({data.size} bytes): damaged, or no image')
    return img


@TRANSFORMS.register_module()
class LoadImageFromFile(BaseTransform):
    """Load the image of a sample, or take the one it brings in memory.

    Required keys: ``img_path``, or ``img``: uint8 (H, W) or (H, W, 1) grey, or (H, W, 3) BGR.
    Sets ``img`` (uint8 BGR (H, W, 3)), ``img_shape`` and ``ori_shape`` (both (H, W)).

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file cannot be decoded, or the array in memory is no image. All errors name the file or sample.
    """

    def transform(self, results: dict) -> dict:
        """Load the image.

        Args:
            results (dict): The sample.

        Returns:
            dict: The same dict with the keys above.
        """
        img = results.get('img')
        img = read_image(results['img_path']) if img is None else self._from_memory(img, results)
        results['img'] = img
        results['img_shape'] = results['ori_shape'] = img.shape[:2]
        return results

    @staticmethod
    def _from_memory(img: np.ndarray, results: dict) -> np.ndarray:
        if img.dtype == np.uint8 and img.size:
            if img.ndim == 2 or (img.ndim == 3 and img.shape[2] == 1):
                return cv2.cvtColor(img, cv2.COLOR_GRAY2BGR)
            if img.ndim == 3 and img.shape[2] == 3:
                return img
        name = results.get('img_path', f'sample {results.get("sample_idx", "?")}')
        raise ValueError(f'{name}: img must be uint8 (H, W), (H, W, 1) or (H, W, 3), not {img.dtype} {img.shape}')

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
