"""Any image to what the models see: uint8 BGR (H, W, 3), upright."""

from __future__ import annotations

import io
import os
import re
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmfer.datasets.transforms.heif import readable_formats
from mmfer.datasets.transforms.loading import read_image, to_uint8

MAX_PIXELS = 150_000_000  # the largest cameras have as many
_UNKNOWN_BYTES = 2**28  # files of more, whose header says nothing, are not read
CHANNELS = ('rgb', 'bgr', 'rgba', 'bgra')


class DamagedImage(ValueError):
    """An image from memory whose data do not decode: a fault of the data, not of the caller."""


def load_image(image: Any, channels: str | None = None, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """An image as uint8 BGR (H, W, 3), upright.

    Files are read as in training (``mmfer.datasets.transforms.loading.read_image``): grey becomes three channels,
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


def _check_size(file: Any, name: str, size: int, max_pixels: int) -> None:
    """Refuse what would not fit into memory before it is read: by its header, or where that says nothing, its size."""
    from PIL import Image

    readable_formats()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # Pillow warns of images that are allowed here
            with Image.open(file) as header:
                pixels = header.width * header.height
                shown = f'{header.width} x {header.height}'
    except Image.DecompressionBombError as error:
        shown = re.search(r'\d+', str(error))[0]
        pixels = int(shown)
    except PermissionError:
        raise
    except Exception:  # Pillow raises many kinds; what it cannot read, the decoder judges
        pixels = None
        if size > _UNKNOWN_BYTES:
            raise ValueError(f'{name} ({size / 1e6:.0f} MB) begins like no image that is known') from None
    if pixels is not None and pixels > max_pixels:
        raise ValueError(
            f'{name} has {shown} pixels, more than the limit of {max_pixels / 1e6:g} million: make it smaller, or '
            'raise max_pixels'
        )
    if pixels is not None and size > 16 * pixels + _UNKNOWN_BYTES:  # the deepest pixels have 16 bytes
        raise ValueError(f'{name} has {size / 1e6:.0f} MB, more than {shown} pixels can need')


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
        raise ValueError(f'an array with {depth} channels needs their order, and {told}: pass channels={known}')
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
