"""Pictures with faces: boxes and labels in the picture itself, and a sheet of cards."""

from __future__ import annotations

import math

import cv2
import numpy as np

from mmfer.structures.results import FaceResult, ImageResult

from .contact_sheet import abbreviations
from .face_card import DARK, LIGHT, check_image, face_card
from .face_label import UNSURE, color_of, draw_box, draw_chip, draw_points, place_label, text_size
from .text import draw_text, in_order, line_height, shorten

__all__ = ['crop', 'draw_faces', 'face_card', 'face_sheet']


def draw_faces(img_bgr: np.ndarray, result: ImageResult, numbers: bool = False, size: int | None = None) -> np.ndarray:
    """Draw the faces of a picture: box, points and label in the colour of the expression.

    Where the model abstains, the box is dashed and grey, and the label says ``unsure:``. Where faces stand close,
    labels move around their boxes, and get shorter before they cover each other.

    Args:
        img_bgr: The upright picture, uint8 (H, W, 3) BGR; it is not changed.
        result: What was found in it. With an ``error`` or no face, nothing is drawn.
        numbers: Write the number of each face, from 1, in front of its label.
        size: Of the text in pixels; by default it follows from the picture. Lines follow from it.

    Returns:
        A copy with the faces.

    Raises:
        ValueError: If ``img_bgr`` is no such image, or not the one of ``result`` by its size.
    """
    check_image(img_bgr, 'img_bgr')
    height, width = img_bgr.shape[:2]
    if (result.width or result.height) and (width, height) != (result.width, result.height):
        raise ValueError(
            f'{result.source}: the result is of an image of {result.width} x {result.height} pixels, img_bgr has '
            f'{width} x {height}; boxes refer to the upright image (EXIF orientation applied), at its full size'
        )
    img = np.ascontiguousarray(img_bgr).copy()
    size = text_size(height, width) if size is None else size
    boxes = [_whole_box(face, img.shape[:2]) for face in result.faces]
    for face, box in reversed(list(zip(result.faces, boxes))):  # the largest last, so on top
        color = UNSURE if face.abstain else color_of(face.label, face.classes)
        line = _line_width(size, box, img.shape[:2])
        draw_box(img, box, color, line, face.abstain)
        if face.landmarks is not None:
            radius = max(1, min(round(1.2 * line), round(0.02 * (box[2] - box[0]))))
            draw_points(img, face.landmarks, color, radius)
    placed: list = []
    for i, (face, box) in enumerate(zip(result.faces, boxes)):
        own_size = round(min(size, max(0.75 * size, 9, 0.2 * (box[2] - box[0]))))
        start = f'{i + 1} ' if numbers else '' if face.track is None else f'#{face.track} '
        others = [other for other in boxes if other is not box]
        texts = [start + text for text in _texts(face)]
        found = place_label(texts, own_size, box, others, placed, img.shape[:2], face.abstain)
        if found is not None:
            text, place, own_size = found
            draw_chip(img, place, text, own_size, color_of(face.label, face.classes), face.abstain)
            placed.append(place)
    return img


def face_sheet(
    img_bgr: np.ndarray, result: ImageResult, width: int = 440, dark: bool = False, level: float | None = None
) -> np.ndarray:
    """A card for each face of a picture, numbered, below the picture with its boxes.

    Args:
        img_bgr: The upright picture, uint8 (H, W, 3) BGR.
        result: What was found in it.
        width: Of a card, see :func:`face_card`.
        dark: Light text on a dark page.
        level: See :func:`face_card`.

    Returns:
        The sheet, uint8 BGR.

    Raises:
        ValueError: As :func:`draw_faces` and :func:`face_card`.
    """
    check_image(img_bgr, 'img_bgr')
    theme, several = DARK if dark else LIGHT, len(result.faces) > 1
    gap = size = round(width / 31)
    columns = 2 if len(result.faces) in (2, 4) else max(1, min(3, len(result.faces)))
    total = columns * width + (columns + 1) * gap

    def band(height: int) -> np.ndarray:
        return np.full((height, total, 3), theme['page'], np.uint8)

    room = total - 2 * gap
    scale = min(room / img_bgr.shape[1], 1.2 * room / img_bgr.shape[0], 1.0)
    if scale < 1:  # first shrunk, then drawn, so that the labels are as large as the text of the cards
        h, w = (max(1, round(scale * length)) for length in img_bgr.shape[:2])
        scaled, small = result.resized(w, h), cv2.resize(img_bgr, (w, h), interpolation=cv2.INTER_AREA)
    else:
        scaled, small = result, img_bgr
    drawn = draw_faces(small, scaled, numbers=several, size=size if min(small.shape[:2]) > 100 else None)
    parts = [band(gap), band(len(drawn) + gap)]
    left = (total - drawn.shape[1]) // 2
    parts[1][: len(drawn), left : left + drawn.shape[1]] = drawn
    note = result.error or ('' if result.faces else 'no face was found')
    if note:
        parts.append(band(line_height(size) + gap))
        draw_text(parts[-1], shorten(note, room, size), gap, 0, size, theme['ink'], bold=True)
    cards = [
        face_card(crop(img_bgr, face.box, 0.15), face, width, dark, level, i + 1 if several else None)
        for i, face in enumerate(result.faces)
    ]
    for start in range(0, len(cards), columns):
        row = cards[start : start + columns]
        parts.append(band(max(map(len, row)) + gap))
        for j, card in enumerate(row):
            left = gap + j * (width + gap)
            parts[-1][: len(card), left : left + width] = card
            cv2.rectangle(parts[-1], (left, 0), (left + width - 1, len(card) - 1), theme['rule'], 1)
    return np.concatenate(parts)


def crop(img: np.ndarray, box: tuple, margin: float = 0.0) -> np.ndarray:
    """What the picture has of the square around a box, for a card; all of it where the box lies elsewhere."""
    x1, y1, x2, y2 = box
    half = (0.5 + margin) * max(x2 - x1, y2 - y1)
    if not math.isfinite(half):
        return img
    height, width = img.shape[:2]
    left, right = (round(min(max((x1 + x2) / 2 + side, 0), width)) for side in (-half, half))
    top, bottom = (round(min(max((y1 + y2) / 2 + side, 0), height)) for side in (-half, half))
    return img[top:bottom, left:right] if right > left and bottom > top else img


def _texts(face: FaceResult) -> list[str]:
    """The label, the label without its number, and an abbreviation."""
    short = dict(zip(face.classes, abbreviations(face.classes)))[face.label] if face.label.isascii() else face.label[:2]
    start, mark, score = 'unsure:' if face.abstain else '', '?' if face.abstain else '', f'{face.score:.2f}'
    return [in_order(start, face.label, score), in_order(mark, face.label), in_order(mark, short, score)]


def _whole_box(face: FaceResult, shape: tuple) -> tuple[int, int, int, int]:
    """The box in whole pixels, as far as it lies in the picture."""
    if not all(map(math.isfinite, face.box)):
        raise ValueError(f'the box of a face must be four numbers, not {face.box}')
    limits = (shape[1] - 1, shape[0] - 1) * 2
    return tuple(round(min(max(value, 0), limit)) for value, limit in zip(face.box, limits))


def _line_width(size: int, box: tuple, shape: tuple) -> int:
    smallest = min(box[2] - box[0], box[3] - box[1])
    return max(1, min(round(size / 7), smallest // 12))
