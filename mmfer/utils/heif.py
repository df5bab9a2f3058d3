"""HEIC and AVIF: OpenCV reads neither the first nor how a picture of the second is turned, Pillow reads what it can."""

from __future__ import annotations

import importlib
import io
from contextlib import suppress
from functools import cache

import cv2
import numpy as np

_REMEDIES = dict(AVIF='pip install "pillow>=11.3"', HEIC='pip install pillow-heif')


@cache
def readable_formats() -> frozenset[str]:
    """Which of 'AVIF' and 'HEIC' Pillow can read, by itself or by an installed plugin, which this registers."""
    try:
        from PIL import Image, features
    except ImportError:
        return frozenset()
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
        remedy = f'{_REMEDIES[kind]} (mmfer explain unreadable-image)'
        raise ValueError(f'{name} is {article} {kind} picture, which nothing installed can read: {remedy}')
    return image
