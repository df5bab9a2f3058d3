"""Pictures on their way between the browser and the model: checked, decoded in memory, encoded; no file is written."""

from __future__ import annotations

import base64
import io
import re
import warnings
from dataclasses import dataclass

import cv2
import numpy as np

from mmfer.structures.results import ImageResult
from mmfer.utils.heif import readable_formats
from mmfer.utils.images import heif_format
from mmfer.visualization.faces import crop, draw_faces

SHOWN, OVERLAY, THUMBNAIL = 1280, 960, 160  # pixels of the longer side


class PictureError(ValueError):
    """A picture that cannot be taken; the message is one sentence for whoever sent it."""


@dataclass(frozen=True)
class Limits:
    """What is taken at most: the bytes of a file and the pixels of its picture."""

    max_bytes: int = 16 * 10**6
    max_pixels: int = 40 * 10**6

    def check_bytes(self, size: int) -> None:
        """Raise PictureError where a file has more bytes than are taken, or none."""
        if size > self.max_bytes:
            raise PictureError(
                f'The file has {size / 1e6:.1f} MB and the limit is {self.max_bytes / 1e6:g} MB: make the picture '
                'smaller.'
            )
        if not size:
            raise PictureError('The file is empty.')


def check_picture(data: bytes, limits: Limits) -> None:
    """Look at the header of a picture before anything is decoded.

    Raises:
        PictureError: If the file is empty, too large or no picture, or the picture has too many pixels.
    """
    from PIL import Image

    limits.check_bytes(len(data))
    kind = heif_format(data)
    if kind is not None and kind not in readable_formats():
        raise PictureError(f'This is a picture in {kind} format, which cannot be read here: send it as JPEG or PNG.')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # Pillow warns of sizes that are allowed here
            with Image.open(io.BytesIO(data)) as header:
                pixels, shown = header.width * header.height, f'{header.width} x {header.height}'
    except Image.DecompressionBombError as error:
        shown = re.search(r'\d+', str(error))[0]
        pixels = int(shown)
    except Exception:  # Pillow raises many kinds
        raise PictureError('This is no picture that can be read here: send a JPEG, PNG, WebP, TIFF or BMP.') from None
    if pixels > limits.max_pixels:
        raise PictureError(
            f'The picture has {shown} pixels and the limit is {limits.max_pixels / 1e6:g} million: make it smaller.'
        )


def shown_picture(image: np.ndarray) -> str:
    """A BGR picture (H, W, 3) as the browser shows it: a JPEG of at most ``SHOWN`` pixels a side, as a data URL."""
    return _jpeg(_resized(image, min(1.0, SHOWN / max(image.shape[:2]))))


def thumbnails(image: np.ndarray, result: ImageResult) -> list[str]:
    """The faces of a picture, cut out, as data URLs."""
    faces = [crop(image, face.box, 0.15) for face in result.faces]
    return [_jpeg(_resized(face, min(1.0, THUMBNAIL / max(face.shape[:2])))) for face in faces]


def overlay(result: ImageResult) -> np.ndarray:
    """Boxes and labels without the picture below: uint8 BGRA, ``OVERLAY`` pixels on the longer side.

    It is drawn on black and on white; how much the two differ is how much of a picture would be seen through.
    """
    scale = OVERLAY / max(result.width, result.height)
    width, height = (max(1, round(scale * length)) for length in (result.width, result.height))
    scaled = result.resized(width, height)
    several = len(result.faces) > 1
    on_black, on_white = (
        draw_faces(np.full((height, width, 3), level, np.uint8), scaled, numbers=several, size=OVERLAY // 40)
        for level in (0, 255)
    )
    alpha = 255 - (on_white.astype(np.int16) - on_black).max(-1, keepdims=True)
    color = np.clip(on_black * (255 / np.maximum(alpha, 1)), 0, 255)
    return np.concatenate([color, alpha], axis=-1).round().astype(np.uint8)


def png_url(image: np.ndarray) -> str:
    """A picture, BGR or BGRA, as a data URL without loss."""
    return _url('png', cv2.imencode('.png', image)[1])


def _resized(image: np.ndarray, scale: float) -> np.ndarray:
    if scale == 1:
        return image
    height, width = (max(1, round(scale * length)) for length in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _jpeg(image: np.ndarray) -> str:
    return _url('jpeg', cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 88])[1])


def _url(kind: str, data: np.ndarray) -> str:
    return f'data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode()}'
