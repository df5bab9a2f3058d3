"""The card of a face: what was answered, how sure each part of the answer is, and whether to rely on it."""

from __future__ import annotations

import math

import cv2
import numpy as np

from mmfer.structures.label_sets import set_words
from mmfer.structures.results import FaceResult
from mmfer.structures.show import people_range

from .contact_sheet import class_colors, fit_image
from .face_label import chip_size, contrast, draw_chip, ink_on
from .text import draw_text, in_order, line_height, shorten, text_width

LIGHT = dict(page=(255, 255, 255), ink=(40, 36, 34), soft=(105, 100, 96), track=(236, 234, 232), rule=(205, 202, 200))
DARK = dict(page=(34, 30, 28), ink=(238, 236, 234), soft=(178, 174, 170), track=(58, 53, 50), rule=(96, 90, 86))


def face_card(
    face_bgr: np.ndarray,
    face: FaceResult,
    width: int = 440,
    dark: bool = False,
    level: float | None = None,
    number: int | None = None,
) -> np.ndarray:
    """The face, its label, the set of labels, a bar a class with its interval, and the uncertainty with its parts.

    Names of classes that are not in the set are paler.

    Args:
        face_bgr: The face, uint8 (H, W, 3) BGR, of any size.
        face: What was answered.
        width: Of the card in pixels; text grows with it. From 240 on.
        dark: Light text on a dark page.
        level: Mass of the intervals ``face.score_low`` .. ``face.score_high``, to name it in the footnote.
        number: Number of the face, written beside its label.

    Returns:
        The card, uint8 BGR; its height follows from the number of classes.

    Raises:
        ValueError: If ``face_bgr`` is no such image, or ``width`` is too small.
    """
    check_image(face_bgr, 'face_bgr')
    if width < 240:
        raise ValueError(f'width={width}: a card needs 240 pixels or more to be readable')
    theme, size = DARK if dark else LIGHT, max(9, round(width / 31))
    gap, side, row, small = size, round(0.3 * width), round(1.7 * size), _small(size)
    card = np.full((2 * width + row * len(face.classes), width, 3), theme['page'], np.uint8)  # cut off at its end
    card[gap : gap + side, gap : gap + side] = fit_image(face_bgr, side, theme['track'])
    title = in_order('' if number is None else str(number), 'unsure:' if face.abstain else '', face.label)
    bottom = max(gap + side, _draw_head(card, face, title, gap + side + gap, gap, size, theme))
    if face.label_set is not None:
        bottom = _draw_set(card, face, gap, bottom + round(0.4 * size), size, theme)
    bottom = _draw_bars(card, face, gap, bottom + gap, row, size, theme)
    if face.score_low is not None:
        share = '' if level is None else f'{100 * level:g} % '
        note = f'whiskers: {share}interval that the deviation of the latent implies'
        if face.people is not None:
            note = f'lines: of {face.people} people, how many would say so ({share.strip() or "interval"})'
        draw_text(card, shorten(note, width - 2 * gap, small), gap, bottom + 0.2 * size, small, theme['soft'])
        bottom += line_height(small)
    return card[: bottom + round(0.5 * size)].copy()


def check_image(img: np.ndarray, name: str) -> None:
    """Raise ValueError unless ``img`` is a uint8 array (H, W, 3) with pixels."""
    if not isinstance(img, np.ndarray) or img.dtype != np.uint8 or img.ndim != 3 or img.shape[2] != 3 or not img.size:
        what = f'{img.dtype} {img.shape}' if isinstance(img, np.ndarray) else type(img).__name__
        raise ValueError(f'{name} must be a BGR image, uint8 (H, W, 3), not {what}')


def _small(size: int) -> int:
    return max(9, round(0.82 * size))


def _draw_head(card: np.ndarray, face: FaceResult, title: str, x: int, y: int, size: int, theme: dict) -> int:
    """Label, probability with its interval, and the uncertainty as a part of its maximum; the lower edge of these."""
    span, line = card.shape[1] - x - size, line_height(size)
    place = face.classes.index(face.label)
    for title_size in range(round(1.5 * size), size - 1, -1):  # long names in smaller letters, then shortened
        if chip_size(title, title_size, face.abstain)[0] <= span:
            break
    title = shorten(title, span - chip_size('', title_size, face.abstain)[0], title_size, bold=True)
    w, h = chip_size(title, title_size, face.abstain)
    draw_chip(card, (x, y, x + w, y + h), title, title_size, class_colors(face.classes)[place], face.abstain)

    def pair(name: str, value: str) -> None:
        draw_text(card, name, x, y, size, theme['ink'], bold=True)
        draw_text(card, value, x + span - text_width(value, size, True), y, size, theme['ink'], bold=True)

    y += h + round(0.5 * size)
    pair('probability', f'{face.score:.2f}')
    y += line
    if face.score_low is not None:
        text = f'interval {face.score_low[place]:.2f} – {face.score_high[place]:.2f}'
        if face.people is not None:
            text = f'{people_range(face, place, " – ")} of {face.people} people say so'
        draw_text(card, shorten(text, span, size), x, y, size, theme['soft'])
        y += line
    y += round(0.5 * size)
    most = math.log(max(2, len(face.classes)))
    pair('uncertainty', f'{100 * face.uncertainty / most:.0f} %')
    y += round(1.5 * size)
    thick, start = round(0.7 * size), 0.0
    cv2.rectangle(card, (x, y), (x + span - 1, y + thick), theme['track'], cv2.FILLED)
    parts = [('', face.uncertainty, theme['soft'])]
    if face.aleatoric is not None and face.epistemic is not None:
        parts = [('aleatoric', face.aleatoric, theme['rule']), ('epistemic', face.epistemic, theme['ink'])]
    for _, amount, shade in parts:
        a, b = (x + round((span - 1) * min(1.0, value / most)) for value in (start, start + amount))
        if b > a:
            cv2.rectangle(card, (a, y), (b, y + thick), shade, cv2.FILLED)
        start += amount
    y += thick + round(0.35 * size)
    text = f'{face.uncertainty:.2f} of {most:.2f} nats (log {len(face.classes)})'
    draw_text(card, shorten(text, span, size), x, y, size, theme['soft'])
    y += line
    if len(parts) == 2:
        small, texts = _small(size), [f'{name} {amount:.2f}' for name, amount, _ in parts]
        while small > 7 and sum(text_width(text, small) for text in texts) + 3 * small + size > span:
            small -= 1
        for text, (_, _, shade) in zip(texts, parts):
            middle, half = y + line_height(small) // 2, round(0.35 * small)
            cv2.rectangle(card, (x, middle - half), (x + 2 * half, middle + half), shade, cv2.FILLED)
            draw_text(card, text, x + round(1.1 * small), y, small, theme['soft'])
            x += round(1.1 * small) + text_width(text, small) + size
        y += line_height(small)
    return y


def _draw_set(card: np.ndarray, face: FaceResult, x: int, y: int, size: int, theme: dict) -> int:
    """The set of labels in words, in smaller letters where they are many; the lower edge of the line."""
    text, room = f'set: {set_words(face.label_set or (), len(face.classes))}', card.shape[1] - 2 * x
    fitting = next((s for s in range(size, _small(size), -1) if text_width(text, s, True) <= room), _small(size))
    draw_text(card, shorten(text, room, fitting, True), x, y, fitting, theme['ink'], bold=True)
    return y + line_height(size)


def _draw_bars(card: np.ndarray, face: FaceResult, x: int, y: int, row: int, size: int, theme: dict) -> int:
    """A bar a class on a scale from 0 to 1; the lower edge of the scale's numbers."""
    width = card.shape[1]
    value_width = text_width('0.00', size) + round(0.6 * size)
    names = min(max(text_width(name, size, bold=True) for name in face.classes), round(0.4 * width))
    left = x + names + round(0.7 * size)
    span = width - x - value_width - left
    end = y + row * len(face.classes)

    def at(probability: float) -> int:
        return left + round(span * min(1.0, max(0.0, float(probability))))

    for tick in (0, 0.5, 1):
        cv2.line(card, (at(tick), y), (at(tick), end + round(0.2 * size)), theme['rule'], 1)
    for k, (name, color) in enumerate(zip(face.classes, class_colors(face.classes))):
        top, thick = y + k * row, round(0.58 * row)
        bold = name == face.label
        text = shorten(name, names, size, bold)
        line = top + (row - line_height(size)) / 2
        ink = theme['ink'] if face.label_set is None or name in face.label_set else theme['soft']
        draw_text(card, text, left - round(0.7 * size) - text_width(text, size, bold), line, size, ink, bold)
        a, b = top + (row - thick) // 2, top + (row - thick) // 2 + thick
        tip = max(at(face.scores[k]), left + 1)
        cv2.rectangle(card, (left, a), (tip, b), color, cv2.FILLED)
        if contrast(color, theme['page']) < 2:
            cv2.rectangle(card, (left, a), (tip, b), theme['soft'], 1)
        if face.score_low is not None:
            low, high, middle, cap = at(face.score_low[k]), at(face.score_high[k]), (a + b) // 2, round(0.2 * row)
            stroke = max(1, size // 8)
            if face.people is not None:  # another scale than the bar's: shares of people, on a line of its own
                middle, cap, tip = b + round(0.12 * row), round(0.08 * row), left - 1
            inside = ink_on(color) if contrast(color, theme['ink']) < 2 else theme['ink']
            for start, stop, ink in ((low, min(high, tip), inside), (max(low, tip), high, theme['ink'])):
                if start <= stop:
                    cv2.line(card, (start, middle), (stop, middle), ink, stroke)
            for edge in (low, high):
                ink = inside if edge <= tip else theme['ink']
                cv2.line(card, (edge, middle - cap), (edge, middle + cap), ink, stroke)
        value = f'{face.scores[k]:.2f}'
        draw_text(card, value, width - x - text_width(value, size, bold), line, size, theme['ink'], bold)
    small = _small(size)
    for tick in (0, 0.5, 1):
        text = f'{tick:g}'
        draw_text(card, text, at(tick) - text_width(text, small) / 2, end + 0.3 * size, small, theme['soft'])
    return end + round(0.3 * size) + line_height(small)
