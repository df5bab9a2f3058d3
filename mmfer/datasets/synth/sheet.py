"""A contact sheet of synthetic faces."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

COLORS = (
    (150, 150, 150),
    (60, 185, 245),
    (205, 125, 60),
    (60, 140, 245),
    (180, 90, 150),
    (90, 160, 80),
    (70, 70, 215),
    (140, 130, 40),
)
"""BGR, one an expression in canonical order."""
_GAP, _BARS, _NAMES, _TITLE, _INK = 8, 22, 122, 30, (60, 56, 52)
_FONT = cv2.FONT_HERSHEY_DUPLEX


def choose_faces(
    labels: Sequence[int], intensities: np.ndarray, num_classes: int, columns: int, blends: int
) -> list[list[int]]:
    """Pick faces for the sheet: a row a class, single expressions from strong to weak, then blends.

    Args:
        labels (Sequence[int]): (N,).
        intensities (np.ndarray): (N, K).
        num_classes (int): K.
        columns (int): Faces a row.
        blends (int): How many of them, at the end, show two expressions.

    Returns:
        list[list[int]]: Indices of faces; a row is shorter where the faces do not suffice.
    """
    labels = np.asarray(labels)
    shown = (intensities[:, 1:] > 0).sum(axis=1)
    rows = []
    for label in range(num_classes):
        mine = labels == label
        mixed = _spread(np.flatnonzero(mine & (shown == 2)), intensities[:, label], blends)
        pure = np.flatnonzero(mine & (shown < 2) & (intensities[:, label] > 0))
        rows.append(_spread(pure, intensities[:, label], columns - len(mixed)) + mixed)
    return rows


def _spread(faces: np.ndarray, strength: np.ndarray, count: int) -> list[int]:
    """``count`` faces at even distances in the order from strong to weak."""
    faces = faces[np.argsort(-strength[faces], kind='stable')]
    if len(faces) > count:
        faces = faces[np.linspace(0, len(faces) - 1, count).round().astype(int)] if count > 1 else faces[:count]
    return faces.tolist()


def contact_sheet(
    rows: Sequence[Sequence[np.ndarray]], scores: Sequence[Sequence[np.ndarray]], classes: Sequence[str], blends: int
) -> np.ndarray:
    """Faces in rows, named, each over the bars of its true label distribution.

    Args:
        rows (Sequence[Sequence[np.ndarray]]): Faces of each class, uint8 (S, S, 3) BGR of one size.
        scores (Sequence[Sequence[np.ndarray]]): Their label distributions, (K,) each.
        classes (Sequence[str]): K names in label order.
        blends (int): How many columns at the end hold blends, for the titles.

    Returns:
        np.ndarray: The picture, uint8 BGR.

    Raises:
        ValueError: All rows are empty.
    """
    faces = [image for row in rows for image in row]
    if not faces:
        raise ValueError('contact_sheet: rows holds no face')
    face, columns = faces[0].shape[0], max(len(row) for row in rows)
    step_x, step_y = face + _GAP, face + _BARS + _GAP
    sheet = np.full((_TITLE + step_y * len(rows), _NAMES + step_x * columns, 3), 255, np.uint8)
    singles = columns - blends
    if singles > 0:
        _text(sheet, 'strong', _NAMES, 21, 0.48)
        if singles > 3:
            _text(sheet, 'weak', _NAMES + step_x * singles - _GAP - 40, 21, 0.48)
    if blends > 0:
        _text(sheet, 'blends', _NAMES + step_x * singles, 21, 0.48)
    mask = _rounded(face)
    for i, (images, distributions) in enumerate(zip(rows, scores)):
        top = _TITLE + i * step_y
        cv2.circle(sheet, (14, top + face // 2), 6, COLORS[i], cv2.FILLED, cv2.LINE_AA)
        _text(sheet, classes[i], 27, top + face // 2 + 5, 0.5)
        for j, (image, distribution) in enumerate(zip(images, distributions)):
            left = _NAMES + j * step_x
            place = sheet[top : top + face, left : left + face]
            place[:] = (image * mask + place * (1 - mask)).astype(np.uint8)
            width = face / len(classes)
            for k, probability in enumerate(np.asarray(distribution).tolist()):
                x0, x1 = round(left + k * width + 1), round(left + (k + 1) * width - 1)
                height = max(1, round((_BARS - 4) * probability))
                bottom = top + face + _BARS
                cv2.rectangle(sheet, (x0, bottom - height), (x1, bottom - 1), COLORS[k], cv2.FILLED)
    return sheet


def _text(image: np.ndarray, text: str, x: int, y: int, scale: float) -> None:
    cv2.putText(image, text, (x, y), _FONT, scale, _INK, 1, cv2.LINE_AA)


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
