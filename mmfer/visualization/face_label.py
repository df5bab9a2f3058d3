"""Where labels of faces go in a picture, and how boxes are drawn that stand out from any background."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from .contact_sheet import class_colors
from .text import draw_text, line_height, shorten, text_width

Color = tuple
Box = tuple
BLACK, WHITE = (24, 24, 24), (255, 255, 255)
UNSURE = (205, 205, 205)  # of the box of a face whose answer is not to be relied on
_OWN, _OTHER, _LABEL = 0.6, 1.0, 6.0  # what it costs a label to cover its own face, another face, another label
_MIN_TEXT = 9


def color_of(label: str, classes: Sequence[str]) -> Color:
    """BGR of an expression, the one that all pictures of mmfer have for it."""
    return dict(zip(classes, class_colors(classes))).get(label, class_colors([label])[0])


def luminance(color: Color) -> float:
    """Relative luminance of a BGR colour in [0, 1], https://www.w3.org/TR/WCAG21/#dfn-relative-luminance."""
    parts = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in color]
    return 0.0722 * parts[0] + 0.7152 * parts[1] + 0.2126 * parts[2]


def contrast(a: Color, b: Color) -> float:
    """Contrast ratio of two BGR colours, from 1 (none) to 21."""
    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


def ink_on(color: Color) -> Color:
    """Black or white, whichever reads better on ``color``."""
    return max(BLACK, WHITE, key=lambda ink: contrast(ink, color))


def text_size(height: int, width: int) -> int:
    """Size of labels in a picture of this size, in pixels: 14 in small ones, and readable where large ones are shrunk.

    >>> text_size(480, 640), text_size(3648, 5472)
    (14, 90)
    """
    longer = max(height, width)
    return max(_MIN_TEXT, min(14, round(0.07 * longer)), round(0.0165 * longer))


def draw_box(img: np.ndarray, box: Box, color: Color, line: int, dashed: bool = False) -> None:
    """A rectangle with a casing, black or white, that sets it off from whatever lies below."""
    for ink, thick in ((ink_on(color), line + 2 * max(1, line // 2)), (color, line)):
        if dashed:
            _draw_dashes(img, box, ink, thick, 5 * line)
        else:
            cv2.rectangle(img, box[:2], box[2:], ink, thick, cv2.LINE_8)


def _draw_dashes(img: np.ndarray, box: Box, ink: Color, thick: int, dash: int) -> None:
    """A rectangle of dashes, one at each corner, with gaps that are about as long."""
    x1, y1, x2, y2 = box
    for start, end in (((x1, y1), (x2, y1)), ((x2, y1), (x2, y2)), ((x2, y2), (x1, y2)), ((x1, y2), (x1, y1))):
        start, side = np.array(start), np.subtract(end, start)
        length = max(1, int(np.abs(side).max()))
        for middle in np.linspace(0, 1, max(1, round(length / (1.8 * dash))) + 1):
            ends = np.clip([middle - dash / 2 / length, middle + dash / 2 / length], 0, 1)
            a, b = (np.rint(start + part * side).astype(int).tolist() for part in ends)
            cv2.line(img, a, b, ink, thick, cv2.LINE_8)


def draw_points(img: np.ndarray, points: np.ndarray, color: Color, radius: int) -> None:
    """Small discs with a casing at points (N, 2)."""
    for x, y in np.asarray(points, np.float64):
        if math.isfinite(x) and math.isfinite(y) and max(abs(x), abs(y)) < 1e6:
            centre = (round(x), round(y))
            cv2.circle(img, centre, radius + max(1, radius // 2), ink_on(color), cv2.FILLED, cv2.LINE_AA)
            cv2.circle(img, centre, radius, color, cv2.FILLED, cv2.LINE_AA)


def draw_chip(img: np.ndarray, place: Box, text: str, size: int, color: Color, dashed: bool = False) -> None:
    """A label: text on a plate of ``color``, or on a pale one with a dashed edge."""
    x1, y1, x2, y2 = place
    pad, line = _padding(size), max(1, size // 12)
    plate = (238, 238, 238) if dashed else color
    cv2.rectangle(img, (x1, y1), (x2 - 1, y2 - 1), plate, cv2.FILLED)
    if dashed:
        inset = line // 2
        _draw_dashes(img, (x1 + inset, y1 + inset, x2 - 1 - inset, y2 - 1 - inset), BLACK, line, 3 * line)
        middle, radius = (y1 + y2) // 2, max(2, round(0.3 * size))  # its class all the same
        cv2.circle(img, (x1 + pad + radius, middle), radius, color, cv2.FILLED, cv2.LINE_AA)
        x1 += 2 * radius + pad // 2 + 1
    draw_text(img, text, x1 + pad, y1 + (y2 - y1 - line_height(size)) / 2, size, ink_on(plate), bold=True)


def chip_size(text: str, size: int, dashed: bool = False) -> tuple[int, int]:
    """Width and height of :func:`draw_chip`."""
    pad = _padding(size)
    mark = 2 * max(2, round(0.3 * size)) + pad // 2 + 1 if dashed else 0
    return text_width(text, size, bold=True) + 2 * pad + mark, line_height(size) + 2 * max(1, pad // 3)


def place_label(
    texts: Sequence[str], size: int, box: Box, others: Sequence[Box], placed: Sequence[Box], shape: tuple, dashed: bool
) -> tuple[str, Box, int] | None:
    """Choose how much of a label is written where, so that it stays in the picture and covers little else.

    Args:
        texts: The label, then shorter forms of it.
        size: Of the text, in pixels; less where the picture is small.
        box: The face, in whole pixels.
        others: Boxes of the other faces.
        placed: Labels that are there.
        shape: (H, W) of the picture.
        dashed: See :func:`chip_size`.

    Returns:
        Text, its plate (x1, y1, x2, y2) and the size; None where the picture is too small for a text.
    """
    height, width = shape
    best = None
    for rank, text in enumerate(texts):
        dislike = 0.4 * rank
        for small in range(size, _MIN_TEXT - 1, -1):
            if chip_size(text, small, dashed)[0] <= width:
                break
        else:
            small = min(size, _MIN_TEXT)
            extra = chip_size('', small, dashed)[0]
            text = shorten(text, width - extra, small, bold=True)
            dislike += 1.2  # half a number would mislead
        w, h = chip_size(text, small, dashed)
        if len(text) < 3 or w > width or h > height:
            continue
        x1, y1, x2, y2 = box
        spots = [(x1, y1 - h), (x2 - w, y1 - h), (x1, y2), (x2 - w, y2), (x1, y1), (x1, y2 - h)]
        spots += [(x2, y1), (x1 - w, y1), (x2, y2 - h), (x1 - w, y2 - h)]
        for preference, (x, y) in enumerate(spots):
            x, y = min(max(x, 0), width - w), min(max(y, 0), height - h)
            spot = (x, y, x + w, y + h)
            area = w * h
            cost = _OWN * _overlap(spot, box) / area + _OTHER * sum(_overlap(spot, each) for each in others) / area
            cost += _LABEL * sum(_overlap(spot, each) for each in placed) / area + 0.03 * preference + dislike
            if best is None or cost < best[0] - 1e-9:
                best = (cost, text, spot, small)
    return best and best[1:]


def _padding(size: int) -> int:
    return max(2, round(0.35 * size))


def _overlap(a: Box, b: Box) -> float:
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
