"""What happens to a picture: looked at once, and judged by any threshold afterwards."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from mmfer.structures.results import ImageResult
from mmfer.utils.images import decode_image
from mmfer.visualization.faces import crop

from .examples import Example

SHOWN, THUMBNAIL = 960, 160  # pixels of the longer side
REFUSED = (
    'This file cannot be read: send a JPEG, PNG, WebP, TIFF, BMP or GIF picture that is whole and has at most '
    '{millions:g} million pixels.'
)


class PictureError(ValueError):
    """A picture that cannot be taken; the message is one sentence for whoever sent it."""


@dataclass(frozen=True)
class Answer:
    """What the slider needs of a picture.

    Attributes:
        result: The faces.
        picture: The picture, at most ``SHOWN`` pixels a side, as JPEG.
        thumbnails: Its faces, cut out, as JPEG.
        truth: Of examples, the true probability of each expression by name.
        moves: Whether the picture is an animation, of which this is the first frame.
    """

    result: ImageResult
    picture: bytes = b''
    thumbnails: tuple[bytes, ...] = ()
    truth: dict[str, float] | None = None
    moves: bool = False


def look(inferencer: Any, data: bytes, one_face: bool = False) -> Answer:
    """Find the faces of a picture and what they express.

    Args:
        inferencer: A :class:`mmfer.inference.ExpressionInferencer`.
        data: The bytes of an image file.
        one_face: Take the whole picture for a face that is cut out already, as without a detector.

    Raises:
        PictureError: If it cannot be taken.
    """
    refused = PictureError(REFUSED.format(millions=inferencer.max_pixels / 1e6))
    if one_face or inferencer.detector is None:
        try:
            image = decode_image(data, 'the picture', inferencer.max_pixels)
        except ValueError:
            raise refused from None
        result = _as_one_face(inferencer, image)
    else:
        image, result = next(inferencer.stream_images(data))
        if result.error is not None:
            raise refused
    return replace(_answer(image, result), moves=_moves(data))


def look_at_example(inferencer: Any, example: Example) -> Answer:
    """The same for a drawn face, with what is true of it."""
    return replace(_answer(example.image, _as_one_face(inferencer, example.image)), truth=example.truth)


def judge(answer: Answer, threshold: float) -> Answer:
    """The same answer, abstaining above a threshold in nats. No network runs."""
    faces = tuple(replace(face, abstain=face.uncertainty > threshold) for face in answer.result.faces)
    return replace(answer, result=replace(answer.result, faces=faces))


def jpeg(image: np.ndarray, size: int) -> bytes:
    """A BGR picture, not longer than ``size`` pixels."""
    scale = min(1.0, size / max(image.shape[:2]))
    if scale < 1:
        height, width = (max(1, round(scale * length)) for length in image.shape[:2])
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()


def _moves(data: bytes) -> bool:
    from PIL import Image

    with suppress(Exception), Image.open(io.BytesIO(data)) as header:  # Pillow raises many kinds, and knows fewer files
        return header.format in ('GIF', 'PNG', 'WEBP') and header.is_animated
    return False


def _as_one_face(inferencer: Any, image: np.ndarray) -> ImageResult:
    return ImageResult('picture', image.shape[1], image.shape[0], tuple(inferencer.predict([image], 'bgr')))


def _answer(image: np.ndarray, result: ImageResult) -> Answer:
    faces = tuple(jpeg(crop(image, face.box, 0.15), THUMBNAIL) for face in result.faces)
    return Answer(result, jpeg(image, SHOWN), faces)
