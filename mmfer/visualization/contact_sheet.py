"""Contact sheets: rows of faces with their class and label distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .text import draw_text, line_height, shorten, text_width

PALETTE = {
    'neutral': (180, 180, 180),
    'happiness': (0, 159, 230),
    'sadness': (178, 114, 0),
    'surprise': (233, 180, 86),
    'fear': (119, 51, 170),
    'disgust': (115, 158, 0),
    'anger': (0, 94, 213),
    'contempt': (60, 60, 60),
}
"""BGR of each expression: colours of Okabe and Ito, which colour-blind people tell apart, with a darker purple and a
lighter grey, since theirs look alike without the cones for green.

https://jfly.uni-koeln.de/color/
"""
_GAP, _BARS, _TALL_BARS, _TITLE = 8, 22, 44, 30  # pixels
_TINY, _SMALL, _NORMAL = 10, 12, 14  # text
_LINE = line_height(_SMALL)
_INK, _FRAME, _TRACK = (60, 56, 52), (210, 210, 210), (242, 242, 242)


@dataclass
class SheetRow:
    """A row of a contact sheet.

    Attributes:
        label: The class, which is named on the left.
        images: uint8 (S, S, 3) BGR.
        scores: Label distributions (K,), drawn as bars below the images; () for none.
        notes: Lines of small text below the name of the class.
        score: (K,), drawn below the notes with the class of each bar; or None.
    """

    label: int
    images: Sequence[np.ndarray]
    scores: Sequence[np.ndarray] = ()
    notes: Sequence[str] = ()
    score: np.ndarray | None = None


def class_colors(classes: Sequence[str]) -> list[tuple]:
    """BGR of each class: PALETTE's by name, and for other names those of PALETTE that are left, in turn."""
    left = [color for name, color in PALETTE.items() if name not in classes] or list(PALETTE.values())
    others = [name for name in classes if name not in PALETTE]
    return [PALETTE[name] if name in PALETTE else left[others.index(name) % len(left)] for name in classes]


def abbreviations(classes: Sequence[str]) -> list[str]:
    """Three or four letters for each class; its number where they would be ambiguous.

    >>> abbreviations(['happiness', 'sadly fearful', 'sadly angry', 'sadly_angry'])
    ['hap', 'SaFe', '2', '3']
    """
    short = []
    for name in classes:
        words = name.replace('_', ' ').split()
        short.append(name[:3] if len(words) < 2 else ''.join(word[:2].title() for word in words[:2]))
    return [text if short.count(text) == 1 else str(i) for i, text in enumerate(short)]


def fit_image(image: np.ndarray, size: int, background: tuple = (255, 255, 255)) -> np.ndarray:
    """An image (H, W, 3) scaled to fit a square (S, S, 3) of a BGR colour, in its middle, with its aspect ratio."""
    scale = size / max(image.shape[:2])
    height, width = (max(1, round(scale * length)) for length in image.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    square = np.full((size, size, 3), background, np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    square[top : top + height, left : left + width] = cv2.resize(image, (width, height), interpolation=how)
    return square


def contact_sheet(
    rows: Sequence[SheetRow],
    classes: Sequence[str],
    titles: Sequence[tuple[int, str, bool]] = (),
    header: Sequence[str] = (),
    names_width: int = 122,
    legend: bool = False,
) -> np.ndarray:
    """Draw images in rows, named, with the bars of their label distributions.

    Args:
        rows: The rows; all images have one size.
        classes: K names in label order.
        titles: Of columns: number of the column, text, and whether it ends with the column rather than begins with it.
        header: Lines at the top.
        names_width: Width of the names on the left in pixels; more where bars need it for their classes.
        legend: Name the colours and abbreviations of all classes below the header.

    Returns:
        The picture, uint8 BGR.

    Raises:
        ValueError: If there are no images, or they differ in size.
    """
    shapes = {image.shape for row in rows for image in row.images}
    if len(shapes) != 1:
        raise ValueError(f'contact_sheet: the rows must hold images of one size, they have {sorted(shapes) or "none"}')
    face, columns, colors = shapes.pop()[0], max(len(row.images) for row in rows), class_colors(classes)
    bars = _BARS if any(len(row.scores) for row in rows) else 0
    if any(row.score is not None for row in rows):
        widest = max(text_width(text, _TINY) for text in abbreviations(classes))
        names_width = max(names_width, 3 * _GAP + (widest + 5) * len(classes))
    step, width = face + _GAP, names_width + (face + _GAP) * columns
    keys = _legend_places(classes, width) if legend else []
    lines = len(header) + (1 + keys[-1][1] if keys else 0)
    heights = [max(face + bars, _names_height(row)) for row in rows]
    top = _LINE * lines + (_GAP if lines else 0)
    sheet = np.full((top + _TITLE + sum(heights) + _GAP * len(rows), width, 3), 255, np.uint8)
    for i, line in enumerate(header):
        draw_text(sheet, shorten(line, width - 2 * _GAP, _SMALL), _GAP, _LINE * i + 4, _SMALL, _INK)
    for (x, line, text), color in zip(keys, colors):
        y = _LINE * (len(header) + line) + 4
        cv2.rectangle(sheet, (x, y + 3), (x + 8, y + 11), color, cv2.FILLED)
        draw_text(sheet, text, x + 13, y, _SMALL, _INK)
    for column, text, ends in titles:
        x = names_width + step * column + (face - text_width(text, _NORMAL) if ends else 0)
        draw_text(sheet, text, x, top + 7, _NORMAL, _INK)
    top += _TITLE
    for row, height in zip(rows, heights):
        _draw_names(sheet, row, classes, colors, top, face, names_width)
        for j, image in enumerate(row.images):
            left = names_width + j * step
            sheet[top : top + face, left : left + face] = image
            cv2.rectangle(sheet, (left - 1, top - 1), (left + face, top + face), _FRAME)
        for j, score in enumerate(row.scores):
            _draw_bars(sheet, score, colors, names_width + j * step, top + face + _BARS, face, _BARS - 4)
        top += height + _GAP
    return sheet


def _names_height(row: SheetRow) -> int:
    return 20 + _LINE * len(row.notes) + (_TALL_BARS + 2 * _LINE if row.score is not None else 0)


def _draw_names(sheet, row: SheetRow, classes, colors, top: int, face: int, width: int) -> None:
    plain = not row.notes and row.score is None
    middle = top + (face // 2 if plain else 7)  # alone, the name stands beside the middle of the faces
    cv2.circle(sheet, (14, middle), 6, colors[row.label], cv2.FILLED, cv2.LINE_AA)
    name = shorten(classes[row.label], width - 35, _NORMAL)
    draw_text(sheet, name, 27, middle - line_height(_NORMAL) / 2, _NORMAL, _INK)
    y = top + 20
    for note in row.notes:
        draw_text(sheet, shorten(note, width - 2 * _GAP, _SMALL), _GAP, y, _SMALL, _INK)
        y += _LINE
    if row.score is not None:
        span = width - 3 * _GAP
        y += _TALL_BARS + 6
        _draw_bars(sheet, np.ones(len(classes)), [_TRACK] * len(classes), _GAP, y, span, _TALL_BARS)  # how high 1 is
        _draw_bars(sheet, row.score, colors, _GAP, y, span, _TALL_BARS)
        for k, text in enumerate(abbreviations(classes)):
            centre = _GAP + (k + 0.5) * span / len(classes)
            draw_text(sheet, text, centre - text_width(text, _TINY) / 2, y + 2, _TINY, _INK)


def _draw_bars(sheet, score, colors, left: int, bottom: int, width: int, height: int) -> None:
    each = width / len(colors)
    for k, probability in enumerate(np.asarray(score).tolist()):
        x0, x1 = round(left + k * each + 1), round(left + (k + 1) * each - 1)
        tall = max(1, round(height * probability))
        cv2.rectangle(sheet, (x0, bottom - tall), (x1, bottom - 1), colors[k], cv2.FILLED)


def _legend_places(classes: Sequence[str], width: int) -> list[tuple[int, int, str]]:
    """Left edge, line and text of each class."""
    places, x, line = [], _GAP, 0
    for name, short in zip(classes, abbreviations(classes)):
        text = f'{short} = {name}'
        span = 13 + text_width(text, _SMALL) + 2 * _GAP
        if x > _GAP and x + span > width:
            x, line = _GAP, line + 1
        places.append((x, line, text))
        x += span
    return places
