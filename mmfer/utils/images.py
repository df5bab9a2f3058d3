"""Any image to what the models see: uint8 BGR (H, W, 3), upright."""

from __future__ import annotations

import io
import os
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np

MAX_PIXELS = 150_000_000  # the largest cameras have as many
_UNKNOWN_BYTES = 2**28  # files of more, whose header says nothing, are not read
CHANNELS = ('rgb', 'bgr', 'rgba', 'bgra')
_REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
_FRAMES = {0xC0, 0xC1, 0xC2}  # markers that the image's size stands behind, of the kinds of JPEG that decoders read
_SCAN = 0xDA  # marker of the picture's own data: in what follows, FF D9 means the end alone
_JPEG_END = b'\xff\xd9'
_PNG_END = b'\0\0\0\0IEND\xaeB`\x82'  # the whole last chunk: length 0, name, checksum


_HEIF_BRANDS = dict(
    AVIF={b'avif', b'avis'}, HEIC={b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'mif1', b'msf1'}
)


# ---- files of images -------------------------------------------------------------------------------------------------
def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Marker and place of each segment in a JPEG file's headers, and of the scan that follows them."""
    place, marker = 2, 0
    while place + 4 <= len(data) and data[place] == 0xFF and marker != _SCAN:
        marker = data[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
        else:
            yield marker, place
            place += 2 + int.from_bytes(data[place + 2 : place + 4], 'big')


def _jpeg_ends(data: bytes) -> bool:
    """Whether an end marker follows the picture's own data; one of a thumbnail in the headers does not count."""
    scan = next((place for marker, place in _jpeg_segments(data) if marker == _SCAN), 0)
    return data.find(_JPEG_END, scan) >= 0  # odd headers are searched as well: the decoder judges them


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Height and width of a JPEG file before its orientation is applied; (0, 0) where the headers do not tell."""
    frame = next((place for marker, place in _jpeg_segments(data) if marker in _FRAMES), len(data))
    return struct.unpack('>HH', data[frame + 5 : frame + 9]) if frame + 9 <= len(data) else (0, 0)


def _decoding_flag(data: np.ndarray, min_side: int | None) -> int:
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


def heif_format(data: bytes) -> str | None:
    """'AVIF' or 'HEIC', by the first bytes of a file; None for all others, MP4 videos among them.

    >>> heif_format(b'\\0\\0\\0\\x18ftypmif1\\0\\0\\0\\0mif1avif'), heif_format(b'\\0\\0\\0\\x14ftypisom\\0\\0\\0\\0')
    ('AVIF', None)
    """
    if data[4:8] != b'ftyp':
        return None
    head = data[8 : min(int.from_bytes(data[:4], 'big'), 256)]
    brands = {head[place : place + 4] for place in range(0, len(head), 4)}
    return next((name for name, known in _HEIF_BRANDS.items() if brands & known), None)


def read_image(path: str, content: bytes | None = None, min_side: int | None = None) -> np.ndarray:
    """Read an image file: HEIC and AVIF with Pillow and its plugins, all others with OpenCV.

    Args:
        path: Any path, non-ASCII ones and addresses that MMEngine's file backends know included.
        content: What is in the file, where it was read already; errors name ``path``.
        min_side: Decode a JPEG file at 1/2, 1/4 or 1/8 of its size, the smallest whose shorter side
            still has so many pixels. Defaults to None: at its size.

    Returns:
        uint8 BGR (H, W, 3). Grey becomes three channels, alpha is dropped, 16 bits are scaled to 8 (those
        that the image uses, see :func:`bit_depth`), and the EXIF orientation is applied.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is empty, damaged, cut off (JPEG and PNG: no end marker) or no image, or of a format that
            needs a package; the message names it.
    """
    if content is None and '://' in path:
        from mmengine import fileio

        content = fileio.get(path)
    data = np.fromfile(path, dtype=np.uint8) if content is None else np.frombuffer(content, dtype=np.uint8)
    if data.size == 0:
        raise ValueError(f'empty image file: {path}')
    if _is_cut_off(data):
        reason = 'cut off, it lacks its end (mmfer explain unreadable-image)'
        raise ValueError(f'cannot decode the image file {path} ({data.size} bytes): {reason}')
    kind = heif_format(data[:256].tobytes())
    if kind is not None:
        from .heif import decode_heif

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
        reason = 'damaged, or no image (mmfer explain unreadable-image)'
        raise ValueError(f'cannot decode the image file {path} ({data.size} bytes): {reason}')
    return img


# ---- any image -------------------------------------------------------------------------------------------------------
class DamagedImage(ValueError):
    """An image from memory whose data do not decode: a fault of the data, not of the caller."""


def load_image(image: Any, channels: str | None = None, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """An image as uint8 BGR (H, W, 3), upright.

    Files are read as in training, by :func:`read_image`: grey becomes three channels,
    alpha is dropped, 16 bits are scaled to 8 by what they use of them, the EXIF orientation is applied.

    Args:
        image: A path; the bytes of a file; a PIL image; or an array, uint8 or uint16, of shape (H, W), (H, W, 1),
            (H, W, 3) or (H, W, 4).
        channels: Of an array with three or four channels, and must be told: 'rgb', 'bgr', 'rgba' or 'bgra'. PIL images
            are RGB, files say what they are.
        max_pixels: Files that say they have more are refused before they are decoded.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If it is no image at all.
        ValueError: If a file is damaged, empty, too large or no image, or an array is none of the above; the message
            says what is wrong and names the file.
    """
    if isinstance(image, (str, os.PathLike)):
        return _from_file(Path(image), max_pixels)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return decode_image(bytes(image), 'the image', max_pixels)
    if isinstance(image, np.ndarray):
        return from_array(image, channels)
    if hasattr(image, 'getbands') and hasattr(image, 'convert'):
        return _from_pil(image)
    raise TypeError(
        f'{type(image).__name__} is no image: a path, the bytes of a file, a NumPy array with channels=, or a PIL image'
    )


def _from_file(path: Path, max_pixels: int) -> np.ndarray:
    if path.is_dir():
        raise ValueError(f'{path} is a folder, not an image file')
    if not path.exists():
        broken = path.is_symlink()
        raise FileNotFoundError(f'{path} is a broken link' if broken else f'no such image file: {path}')
    if not path.is_file():
        raise ValueError(f'{path} is no regular file')
    _check_size(path, str(path), path.stat().st_size, max_pixels)
    return _read(str(path), None)


def decode_image(data: bytes, name: str = 'the image', max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The image in the bytes of a file, as :func:`load_image`; ``name`` is what errors call it."""
    _check_size(io.BytesIO(data), name, len(data), max_pixels)
    return _read(name, data)


def _read(name: str, data: bytes | None) -> np.ndarray:
    try:
        return read_image(name, data)
    except MemoryError:
        raise ValueError(f'{name} does not fit into memory') from None


def _header_size(file: Any) -> tuple[int, int]:
    """Height and width by the first bytes of a JPEG or PNG file; (0, 0) of others, or where the headers are longer."""
    with open(file, 'rb') if isinstance(file, Path) else nullcontext(file) as opened:
        head = opened.read(1 << 16)
    if head[:2] == b'\xff\xd8':
        return _jpeg_size(head)
    if head[:4] == b'\x89PNG' and len(head) >= 24:
        width, height = struct.unpack('>II', head[16:24])
        return height, width
    return 0, 0


def _check_size(file: Any, name: str, size: int, max_pixels: int) -> None:
    """Refuse what would not fit into memory before it is read: by its header, or where that says nothing, its size."""
    height, width = _header_size(file)
    pixels, shown = height * width, f'{width} x {height}'
    if not pixels:
        pixels, shown = _size_by_pillow(file, name, size)
    if pixels is not None and pixels > max_pixels:
        raise ValueError(
            f'{name} has {shown} pixels, more than the limit of {max_pixels / 1e6:g} million: make it smaller, or '
            'raise max_pixels'
        )


def _size_by_pillow(file: Any, name: str, size: int) -> tuple[int | None, str]:
    """Number of pixels, and width and height in words; None where Pillow does not know, or is not installed."""
    shown = ''
    try:
        from PIL import Image

        from .heif import readable_formats

        readable_formats()
        if not isinstance(file, Path):
            file.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # Pillow warns of images that are allowed here
            with Image.open(file) as header:
                pixels = header.width * header.height
                shown = f'{header.width} x {header.height}'
    except PermissionError:
        raise
    except Exception as error:  # Pillow raises many kinds; what it cannot read, the decoder judges
        if type(error).__name__ == 'DecompressionBombError':
            shown = re.search(r'\d+', str(error))[0]
            return int(shown), shown
        pixels = None
        if size > _UNKNOWN_BYTES:
            raise ValueError(f'{name} ({size / 1e6:.0f} MB) begins like no image that is known') from None
    return pixels, shown


def from_array(image: np.ndarray, channels: str | None = None) -> np.ndarray:
    """An array as uint8 BGR (H, W, 3), see :func:`load_image`; a view of it where that is what it is."""
    if channels is not None and channels not in CHANNELS:
        raise ValueError(f'channels={channels!r}: one of {", ".join(map(repr, CHANNELS))}')
    if image.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f'an image array must be uint8 or uint16, not {image.dtype}: scale it to 0..255 and round it to uint8'
        )
    depth = 1 if image.ndim == 2 else image.shape[2] if image.ndim == 3 else 0
    if depth not in (1, 3, 4) or not image.size:
        raise ValueError(f'an image array must have shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), not {image.shape}')
    if depth > 1 and len(channels or '') != depth:
        told = 'none is given' if channels is None else f'channels={channels!r} names {len(channels)}'
        known = ' or '.join(repr(name) for name in CHANNELS if len(name) == depth)
        remedy = f'pass channels={known} (mmfer explain channels)'
        raise ValueError(f'an array with {depth} channels needs their order, and {told}: {remedy}')
    image = image[:, :, :3] if depth > 1 else image.reshape(image.shape[:2])
    if image.dtype == np.uint16:
        image = to_uint8(image)  # as files are scaled
    if depth == 1:
        return cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_GRAY2BGR)
    return np.ascontiguousarray(image[:, :, ::-1] if channels[0] == 'r' else image)


def _from_pil(image: Any) -> np.ndarray:
    from PIL import Image, ImageOps

    try:
        image.load()  # until here, only the header of a file may have been read
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DamagedImage(f'cannot decode the PIL image: {error}') from None
    with suppress(Exception):  # damaged EXIF data, which decoders ignore as well: the picture is whole
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith('I;16') or image.mode == 'I':  # convert() would clip what exceeds 255
        values = np.clip(np.asarray(image, dtype=np.int64), 0, 65535).astype(np.uint16)
        return from_array(values)
    if image.mode == 'F':
        raise ValueError('a PIL image of mode F has no range: scale it to 0..255 and convert it to L')
    return from_array(np.asarray(image.convert('RGB')), 'rgb')
