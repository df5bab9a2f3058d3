"""Loading of images."""

import struct
from typing import Optional

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine import fileio

from mmfer.registry import TRANSFORMS

from .heif import decode_heif, heif_format

_REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
_FRAMES = {0xC0, 0xC1, 0xC2}  # markers that the image's size stands behind, of the kinds of JPEG that decoders read
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


def _jpeg_size(data: bytes) -> tuple:
    """Height and width of a JPEG file before its orientation is applied; (0, 0) where the headers do not tell."""
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:
        if data[place + 1] in _FRAMES:
            return struct.unpack('>HH', data[place + 5 : place + 9])
        if data[place + 1] == 0xFF:  # a fill byte
            place += 1
        else:
            place += 2 + int.from_bytes(data[place + 2 : place + 4], 'big')
    return 0, 0


def _decoding_flag(data: np.ndarray, min_side: Optional[int]) -> int:
    if min_side is None or data[:2].tobytes() != b'\xff\xd8':
        return cv2.IMREAD_COLOR
    factor = min(_jpeg_size(data.data)) // min_side
    return _REDUCED.get(1 << min(3, factor.bit_length() - 1), cv2.IMREAD_COLOR) if factor else cv2.IMREAD_COLOR


def _is_cut_off(data: np.ndarray) -> bool:
    """Whether a JPEG or PNG file lacks its end. Decoders may fill what is missing with grey and not complain.

    Files that end as they should are not searched; bytes after the end are allowed.
    """
    head, tail = data[:4].tobytes(), data[-12:].tobytes()
    if head[:2] == b'\xff\xd8':
        return not tail.endswith(_JPEG_END) and not _jpeg_ends(data.tobytes())
    return head == b'\x89PNG' and tail != _PNG_END and _PNG_END not in data.tobytes()


def bit_depth(img: np.ndarray) -> int:
    """The bits that the values of a uint16 image use: the least of 8, 10, 12, 14 and 16 that hold its largest.

    Cameras store 10 to 14 bits in files of 16, which seldom say so. One of 16 whose picture is so dark is taken for one
    of fewer.
    """
    largest = int(img.max(initial=0))
    return next(bits for bits in (8, 10, 12, 14, 16) if largest < 1 << bits)


def to_uint8(img: np.ndarray) -> np.ndarray:
    """A uint16 image as uint8, its :func:`bit_depth` scaled to 8.

    >>> to_uint8(np.array([[0, 2048, 4095]], np.uint16)).tolist()
    [[0, 128, 255]]
    """
    return (img >> (bit_depth(img) - 8)).astype(np.uint8)


def read_image(path: str, content: Optional[bytes] = None, min_side: Optional[int] = None) -> np.ndarray:
    """Read an image file: HEIC and AVIF with Pillow and its plugins, all others with OpenCV.

    Args:
        path (str): Any path, non-ASCII ones and addresses that MMEngine's file backends know included.
        content (bytes, optional): What is in the file, where it was read already; errors name ``path``.
        min_side (int, optional): Decode a JPEG file at 1/2, 1/4 or 1/8 of its size, the smallest whose shorter side
            still has so many pixels. Defaults to None: at its size.

    Returns:
        np.ndarray: uint8 BGR (H, W, 3). Grey becomes three channels, alpha is dropped, 16 bits are scaled to 8 (those
        that the image uses, see :func:`bit_depth`), and the EXIF orientation is applied.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is empty, damaged, cut off (JPEG and PNG: no end marker) or no image, or of a format that
            needs a package; the message names it.
    """
    if content is None and '://' in path:
        content = fileio.get(path)
    data = np.fromfile(path, dtype=np.uint8) if content is None else np.frombuffer(content, dtype=np.uint8)
    if data.size == 0:
        raise ValueError(f'empty image file: {path}')
    if _is_cut_off(data):
        raise ValueError(f'cannot decode the image file {path} ({data.size} bytes): cut off, it lacks its end')
    kind = heif_format(data[:256].tobytes())
    if kind is not None:
        return decode_heif(data.tobytes(), path, kind)
    flag = _decoding_flag(data, min_side)
    try:
        img = cv2.imdecode(data, flag | cv2.IMREAD_ANYDEPTH)
        if img is not None and img.dtype == np.uint16 and bit_depth(img) < 16:
            return to_uint8(img)
        if img is not None and img.dtype != np.uint8:
            img = cv2.imdecode(data, flag)  # whose rounding depends on the format
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

    Args:
        min_side (int, optional): Decode JPEG files that are far larger at 1/2, 1/4 or 1/8 of their size, such that the
            shorter side keeps so many pixels: twice the size that the pipeline resizes to is a good choice. Several
            times as fast, but **not the same pixels** as decoding all and resizing (see ``docs/benchmarks.md``), so
            training and test should agree in it. Samples with a ``face_box`` or ``face_landmarks``, which count
            pixels of the file, are decoded at their size. Defaults to None: all are.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file cannot be decoded, or the array in memory is no image, or ``min_side`` is no size. All
            errors but the last name the file or sample.
    """

    def __init__(self, min_side: Optional[int] = None):
        if min_side is not None and (isinstance(min_side, bool) or not isinstance(min_side, int) or min_side < 1):
            raise ValueError(f'LoadImageFromFile: min_side={min_side!r} must be a number of pixels, or None')
        self.min_side = min_side

    @staticmethod
    def is_whole(entry: dict) -> bool:
        """Whether an entry of a list has places in its image, so that the image must keep its size."""
        return entry.get('face_box') is not None or entry.get('face_landmarks') is not None

    def read(self, path: str, whole: bool = False) -> np.ndarray:
        """The image of a file, uint8 BGR (H, W, 3); at its size where it ``is_whole``."""
        return read_image(path, min_side=None if whole else self.min_side)

    def transform(self, results: dict) -> dict:
        """Load the image.

        Args:
            results (dict): The sample.

        Returns:
            dict: The same dict with the keys above.
        """
        img = results.get('img')
        img = self.read(results['img_path'], self.is_whole(results)) if img is None else self._from_memory(img, results)
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
        return f'{type(self).__name__}(min_side={self.min_side})'
