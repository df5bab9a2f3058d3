"""HEIC and AVIF: OpenCV reads neither the first nor how a picture of the second is turned, Pillow reads what it can."""

from __future__ import annotations

import importlib
import io
from contextlib import suppress
from functools import cache

import cv2
import numpy as np

_BRANDS = dict(AVIF={b'avif', b'avis'}, HEIC={b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'mif1', b'msf1'})
_REMEDIES = dict(AVIF='pip install "pillow>=11.3"', HEIC='pip install pillow-heif')


def heif_format(data: bytes) -> str | None:
    """'AVIF' or 'HEIC', by the first bytes of a file; None for all others, MP4 videos among them.

    >>> heif_format(b'\\0\\0\\0\\x18ftypmif1\\0\\0\\0\\0mif1avif'), heif_format(b'\\0\\0\\0\\x14ftypisom\\0\\0\\0\\0')
    ('AVIF', None)
    """
    if data[4:8] != b'ftyp':
        return None
    head = data[8 : min(int.from_bytes(data[:4], 'big'), 256)]
    brands = {head[place : place + 4] for place in range(0, len(head), 4)}
    return next((name for name, known in _BRANDS.items() if brands & known), None)


@cache
def readable_formats() -> frozenset[str]:
    """Which of 'AVIF' and 'HEIC' Pillow can read, by itself or by an installed plugin, which this registers."""
    from PIL import Image, features

    plugins = set()
    for name in ('pillow_heif', 'pillow_avif'):
        with suppress(ImportError):
            module = importlib.import_module(name)
            plugins.add(name)
            if name == 'pillow_heif':
                module.register_heif_opener()
    Image.init()
    own = 'AVIF' in Image.OPEN and bool(features.check('avif'))
    formats = dict(AVIF=own or 'pillow_avif' in plugins, HEIC='pillow_heif' in plugins)
    return frozenset(name for name, can_read in formats.items() if can_read)


def decode_heif(data: bytes, name: str, kind: str) -> np.ndarray:
    """The picture of a file of such a ``kind``, uint8 BGR (H, W, 3), upright; errors call it ``name``.

    Raises:
        ValueError: It is damaged, or nothing that is installed reads it; the message says what does.
    """
    if kind in readable_formats():
        from PIL import Image, ImageOps

        try:
            with Image.open(io.BytesIO(data)) as image:
                image = ImageOps.exif_transpose(image).convert('RGB')
        except Exception as error:  # plugins raise many kinds
            raise ValueError(f'cannot decode the {kind} file {name}: damaged ({error})') from None
        return np.ascontiguousarray(np.asarray(image)[:, :, ::-1])
    turned = b'irot' in data or b'imir' in data  # properties of the picture, which OpenCV leaves alone
    image = None
    with suppress(cv2.error):
        image = None if turned else cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        article = 'an' if kind == 'AVIF' else 'a'
        raise ValueError(f'{name} is {article} {kind} picture, which nothing installed can read: {_REMEDIES[kind]}')
    return image
