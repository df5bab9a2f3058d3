"""Text of any alphabet in pictures: Pillow draws it, with the first font on this system that has its glyphs.

Without Pillow and matplotlib, which a plain ``pip install mmfer`` leaves out, OpenCV draws the letters of ASCII.
"""

from __future__ import annotations

import functools
import unicodedata
import warnings
from collections.abc import Iterable

import cv2
import numpy as np

try:
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font
    from PIL import Image, ImageDraw, ImageFont, features
except ImportError:
    font_manager = None

ELLIPSIS = '…'
LINE_HEIGHT = 1.25  # of a line of text in multiples of its size
_MARK = '\u200e'  # invisible, left to right
_JOINERS = '\u200c\u200d\u200e\u200f'  # invisible signs that alphabets need
_warned: set[str] = set()  # alphabets without a font that were reported


def text_width(text: str, size: int, bold: bool = False) -> int:
    """Width of a line of text in pixels."""
    return _render(clean(text), size, bold)[1]


def line_height(size: int) -> int:
    """Height of a line of text in pixels, with what lies below its baseline."""
    return round(LINE_HEIGHT * size)


def draw_text(
    img: np.ndarray, text: str, x: float, y: float, size: int, color: tuple = (0, 0, 0), bold: bool = False
) -> None:
    """Write a line of text into a picture; what lies beyond the picture's edges is left out.

    Args:
        img: uint8 BGR (H, W, 3), changed in place.
        text: In any alphabet. Control characters become spaces.
        x: Left edge in pixels.
        y: Upper edge of the line, which is :func:`line_height` high.
        size: Of the font, in pixels.
        color: BGR.
        bold: Whether in bold, where the font has it.
    """
    mask, _, left, top = _render(clean(text), size, bold)
    x, y = round(x) + left, round(y) + top
    x1, y1, x2, y2 = max(x, 0), max(y, 0), min(x + mask.shape[1], img.shape[1]), min(y + mask.shape[0], img.shape[0])
    if x1 >= x2 or y1 >= y2:
        return
    weight = mask[y1 - y : y2 - y, x1 - x : x2 - x, None].astype(np.uint32)
    part = img[y1:y2, x1:x2]
    part[:] = ((255 - weight) * part + weight * np.array(color, np.uint32) + 127) // 255


def shorten(text: str, width: float, size: int, bold: bool = False) -> str:
    """``text`` with an ellipsis at its end where it is wider than ``width`` pixels; '' where nothing fits."""
    text = clean(text)
    if text_width(text, size, bold) <= width:
        return text
    low, high = 0, len(text)  # so many characters fit, so many do not
    while high - low > 1:
        middle = (low + high) // 2
        fits = text_width(text[:middle].rstrip() + ELLIPSIS, size, bold) <= width
        low, high = (middle, high) if fits else (low, middle)
    return text[:low].rstrip() + ELLIPSIS if low else ''


def clean(text: str) -> str:
    """``text`` on one line, without what no font draws.

    >>> clean('sadly\\nangry')
    'sadly angry'
    """
    return ''.join(
        c if c.isprintable() or c in _JOINERS else '\ufffd' if '\ud800' <= c <= '\udfff' else ' ' for c in str(text)
    )


def in_order(*parts: str) -> str:
    """Words beside each other from left to right, also where single ones are written from right to left.

    >>> in_order('3', 'anger', '0.83')
    '3 anger 0.83'
    """
    return ' '.join(f'{part}{_MARK}' if any(map(_is_leftward, part)) else part for part in parts if part)


def font_families(texts: Iterable[str]) -> list[str]:
    """Families for ``font.family`` of matplotlib, with which a figure can show ``texts``."""
    found = (FT2Font(find_font(clean(text))).family_name for text in texts)
    return list(dict.fromkeys(('DejaVu Sans', *found)))


def plot_text(text: str) -> str:
    """``text`` for matplotlib, which would take dollars for formulas.

    >>> plot_text('5 $')
    '5 \\\\$'
    """
    return clean(text).replace('$', r'\$')


def find_font(text: str, bold: bool = False) -> str:
    """File of a font that has the glyphs of ``text``: DejaVu Sans, which comes with matplotlib, or one of the system.

    Where none has them all, that with the most of them, with a warning the first time for each alphabet.
    """
    return _find_font(frozenset(c for c in text if unicodedata.category(c) != 'Cf'), bold)


def _is_leftward(character: str) -> bool:
    return unicodedata.bidirectional(character) in ('R', 'AL')


@functools.cache
def _shapes_text() -> bool:
    """Whether Pillow can order and join letters as their alphabets want it."""
    return features.check('raqm')


@functools.lru_cache(maxsize=4096)
def _find_font(characters: frozenset, bold: bool) -> str:
    properties = font_manager.FontProperties(family='DejaVu Sans', weight='bold' if bold else 'normal')
    default = font_manager.findfont(properties)
    if characters <= _glyphs(default):
        return default
    best = min((default, *_fonts_of_system()), key=lambda path: len(characters - _glyphs(path)))
    lacking = characters - _glyphs(best)
    for character in sorted(lacking):
        alphabet = unicodedata.name(character, 'unnamed').split()[0]
        if alphabet not in _warned:
            _warned.add(alphabet)
            warnings.warn(
                f'no font on this system has the {alphabet} character {character!r} (U+{ord(character):04X}): a box '
                'stands in its place. Install a font for this alphabet, e.g. one of the Noto family',
                stacklevel=2,
            )
    return best


@functools.cache
def _glyphs(path: str) -> frozenset:
    """The characters that a font has; none where it cannot be used, or has a sign for "missing" in place of them."""
    try:
        ImageFont.truetype(path, 20)
        font = FT2Font(path)
        return frozenset() if font.family_name.startswith('Last Resort') else frozenset(map(chr, font.get_charmap()))
    except (OSError, RuntimeError, ValueError):
        return frozenset()


def _fonts_of_system() -> list[str]:
    """Files of fonts, upright and regular sans-serif ones first."""

    def rank(font) -> tuple:
        plain = font.style == 'normal' and font.weight in (400, 'normal', 'regular')
        return not plain, 'sans' not in font.name.lower(), 'mono' in font.name.lower(), font.name, font.fname

    return list(dict.fromkeys(font.fname for font in sorted(font_manager.fontManager.ttflist, key=rank)))


@functools.lru_cache(maxsize=256)
def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    engine = ImageFont.Layout.RAQM if _shapes_text() else ImageFont.Layout.BASIC
    return ImageFont.truetype(path, size, layout_engine=engine)


@functools.lru_cache(maxsize=1024)
def _render(text: str, size: int, bold: bool) -> tuple[np.ndarray, int, int, int]:
    """Opacity (h, w) of a text, its width, and where the opacity lies from the upper left corner of the line."""
    if font_manager is None:
        return _render_ascii(text, size, bold)
    font, direction = _font(find_font(text, bold), size), 'ltr' if _shapes_text() else None
    if direction is None:
        text = ''.join(c for c in text if unicodedata.category(c) != 'Cf')  # which would be boxes
    left, top, right, bottom = font.getbbox(text, anchor='ls', direction=direction)
    mask = Image.new('L', (max(1, right - left), max(1, bottom - top)))
    ImageDraw.Draw(mask).text((-left, -top), text, fill=255, font=font, anchor='ls', direction=direction)
    width = max(right, round(font.getlength(text, direction=direction)))
    return np.asarray(mask), width, left, round(0.98 * size) + top


def _render_ascii(text: str, size: int, bold: bool) -> tuple[np.ndarray, int, int, int]:
    """As :func:`_render`, by OpenCV's own font; ? stands for what it lacks."""
    text = ''.join(c for c in unicodedata.normalize('NFKD', text) if unicodedata.category(c) not in ('Cf', 'Mn'))
    text = text.replace('–', '-').encode('ascii', 'replace').decode()
    font, scale, thickness = cv2.FONT_HERSHEY_SIMPLEX, size / 30, max(1, round(size / 16)) + (bold and size > 20)
    (width, height), below = cv2.getTextSize(text, font, scale, thickness)
    mask = np.zeros((height + below + thickness, max(1, width)), np.uint8)
    cv2.putText(mask, text, (0, height), font, scale, 255, thickness, cv2.LINE_AA)
    return mask, width, 0, round(0.98 * size) - height
