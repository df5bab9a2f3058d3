"""Contact sheets: rows of faces with their class and label distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

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
_GAP, _BARS, _TITLE = 8, 22, 30
_INK, _FRAME, _TRACK = (60, 56, 52), (210, 210, 210), (242, 242, 242)
_FONT = cv2.FONT_HERSHEY_DUPLEX
_SMALL, _TINY, _LINE, _TALL_BARS = 0.4, 0.35, 16, 44


@dataclass
class SheetRow:
    """A row of a contact sheet.

    Args:
        label (int): The class, which is named on the left.
        images (Sequence[np.ndarray]): uint8 (S, S, 3) BGR.
        scores (Sequence[np.ndarray]): Label distributions (K,), drawn as bars below the images; () for none.
        notes (Sequence[str]): Lines of small text below the name of the class.
        score (np.ndarray, optional): (K,), drawn below the notes with the class of each bar.
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
    for name in map(ascii_text, classes):
        words = name.replace('_', ' ').split()
        short.append(name[:3] if len(words) < 2 else ''.join(word[:2].title() for word in words[:2]))
    return [text if short.count(text) == 1 else str(i) for i, text in enumerate(short)]


def ascii_text(text: str) -> str:
    """``text`` with '?' for what OpenCV's fonts cannot draw.

    >>> ascii_text('Gesicht ä.png')
    'Gesicht ?.png'
    """
    return ''.join(c if c.isascii() and c.isprintable() else '?' for c in text)


def fit_image(image: np.ndarray, size: int) -> np.ndarray:
    """The image scaled to fit a white square of ``size`` pixels, in its middle, with its aspect ratio.

    Args:
        image (np.ndarray): uint8 (H, W, 3).
        size (int): S.

    Returns:
        np.ndarray: uint8 (S, S, 3).
    """
    height, width = image.shape[:2]
    scale = size / max(height, width)
    height, width = max(1, round(scale * height)), max(1, round(scale * width))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    square = np.full((size, size, 3), 255, np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    square[top : top + height, left : left + width] = cv2.resize(image, (width, height), interpolation=how)
    return square


def contact_sheet(
    rows: Sequence[SheetRow],
    classes: Sequence[str],
    titles: Sequence[tuple[int, str, bool]] = (),
    header: Sequence[str] = (),
    colors: Sequence[tuple] | None = None,
    names_width: int = 122,
    rounded: bool = False,
    legend: bool = False,
) -> np.ndarray:
    """Draw images in rows, named, with the bars of their label distributions.

    Args:
        rows (Sequence[SheetRow]): The rows; all images have one size.
        classes (Sequence[str]): K names in label order.
        titles (Sequence[tuple]): Titles of columns: number of the column, text, and whether it ends with the column
            rather than begins with it.
        header (Sequence[str]): Lines at the top.
        colors (Sequence[tuple], optional): BGR of each class; those of :func:`class_colors` by default.
        names_width (int): Width of the names on the left in pixels; more where bars need it for their classes.
        rounded (bool): Round corners instead of a frame.
        legend (bool): Name the colours and abbreviations of all classes below the header.

    Returns:
        np.ndarray: The picture, uint8 BGR.

    Raises:
        ValueError: There are no images, or they differ in size.
    """
    shapes = {image.shape for row in rows for image in row.images}
    if len(shapes) != 1:
        raise ValueError(f'contact_sheet: the rows must hold images of one size, they have {sorted(shapes) or "none"}')
    face, columns = shapes.pop()[0], max(len(row.images) for row in rows)
    colors = class_colors(classes) if colors is None else colors
    bars = _BARS if any(len(row.scores) for row in rows) else 0
    heights = [max(face + bars, _names_height(row)) for row in rows]
    if any(row.score is not None for row in rows):
        widest = max(_width(text, _TINY) for text in abbreviations(classes))
        names_width = max(names_width, 3 * _GAP + (widest + 5) * len(classes))
    step, width = face + _GAP, names_width + (face + _GAP) * columns
    head = [_shorten(line, width - 2 * _GAP, _SMALL) for line in header]
    keys = _legend_places(classes, width) if legend else []
    top = _LINE * (len(head) + (1 + keys[-1][1] if keys else 0)) + (_GAP if head or keys else 0)
    sheet = np.full((top + _TITLE + sum(heights) + _GAP * len(rows), width, 3), 255, np.uint8)
    for i, line in enumerate(head):
        _text(sheet, line, _GAP, _LINE * (i + 1), _SMALL)
    for (x, line, text), color in zip(keys, colors):
        y = _LINE * (len(head) + line + 1)
        cv2.rectangle(sheet, (x, y - 8), (x + 8, y), color, cv2.FILLED)
        _text(sheet, text, x + 13, y, _SMALL)
    for column, text, ends in titles:
        x = names_width + step * column
        _text(sheet, text, x + (face - _width(text, 0.48) if ends else 0), top + 21, 0.48)
    mask = _rounded(face) if rounded else np.ones((face, face, 1))
    top += _TITLE
    for row, height in zip(rows, heights):
        _draw_names(sheet, row, classes, colors, top, face, names_width)
        for j, image in enumerate(row.images):
            left = names_width + j * step
            place = sheet[top : top + face, left : left + face]
            place[:] = (image * mask + place * (1 - mask)).astype(np.uint8)
            if not rounded:
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
    name = classes[row.label]
    _text(sheet, name if plain else _shorten(name, width - 35, 0.5), 27, middle + 5, 0.5)
    y = top + 16
    for note in row.notes:
        y += _LINE
        _text(sheet, _shorten(note, width - 2 * _GAP, _SMALL), _GAP, y, _SMALL)
    if row.score is not None:
        span = width - 3 * _GAP
        y += _TALL_BARS + _LINE
        _draw_bars(sheet, np.ones(len(classes)), [_TRACK] * len(classes), _GAP, y, span, _TALL_BARS)  # how high 1 is
        _draw_bars(sheet, row.score, colors, _GAP, y, span, _TALL_BARS)
        for k, text in enumerate(abbreviations(classes)):
            centre = _GAP + (k + 0.5) * span / len(classes)
            _text(sheet, text, round(centre - _width(text, _TINY) / 2), y + 13, _TINY)


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
        text = f'{short} = {ascii_text(name)}'
        span = 13 + _width(text, _SMALL) + 2 * _GAP
        if x > _GAP and x + span > width:
            x, line = _GAP, line + 1
        places.append((x, line, text))
        x += span
    return places


def _width(text: str, scale: float) -> int:
    return cv2.getTextSize(ascii_text(text), _FONT, scale, 1)[0][0]


def _shorten(text: str, width: int, scale: float) -> str:
    """``text`` with '...' in its middle where it is wider than ``width`` pixels."""
    text, kept = ascii_text(text), len(text)
    short = text
    while kept > 2 and _width(short, scale) > width:
        kept -= 1
        short = f'{text[: kept // 2]}...{text[len(text) - (kept + 1) // 2 :]}'
    return short


def _text(image: np.ndarray, text: str, x: int, y: int, scale: float) -> None:
    cv2.putText(image, ascii_text(text), (x, y), _FONT, scale, _INK, 1, cv2.LINE_AA)


def _rounded(size: int) -> np.ndarray:
    """Mask (size, size, 1) in [0, 1] with round corners."""
    big, radius = 4 * size, size // 3
    mask = np.zeros((big, big), np.uint8)
    cv2.rectangle(mask, (radius, 0), (big - radius, big), 255, cv2.FILLED)
    cv2.rectangle(mask, (0, radius), (big, big - radius), 255, cv2.FILLED)
    for x in (radius, big - radius - 1):
        for y in (radius, big - radius - 1):
            cv2.circle(mask, (x, y), radius, 255, cv2.FILLED)
    return (cv2.resize(mask, (size, size), interpolation=cv2.INTER_AREA) / 255.0)[..., None]
