"""Which synthetic faces a contact sheet shows, and how."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmfer.visualization.contact_sheet import SheetRow, contact_sheet


def choose_faces(
    labels: Sequence[int], intensities: np.ndarray, num_classes: int, columns: int, blends: int
) -> list[list[int]]:
    """Pick faces for the sheet: a row a class, single expressions from strong to weak, then blends.

    Args:
        labels: (N,).
        intensities: (N, K).
        num_classes: K.
        columns: Faces a row.
        blends: How many of them, at the end, show two expressions.

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


def face_sheet(
    rows: Sequence[Sequence[np.ndarray]], scores: Sequence[Sequence[np.ndarray]], classes: Sequence[str], blends: int
) -> np.ndarray:
    """Faces in rows, named, each over the bars of its true label distribution: uint8 BGR.

    Args:
        rows: Faces of each class, uint8 (S, S, 3) BGR of one size.
        scores: Their label distributions, (K,) each.
        classes: K names in label order.
        blends: How many columns at the end hold blends, for the titles.

    Raises:
        ValueError: All rows are empty.
    """
    singles = max((len(row) for row in rows), default=0) - blends
    titles = []
    if singles > 0:
        titles.append((0, 'strong', False))
    if singles > 3:
        titles.append((singles - 1, 'weak', True))
    if blends > 0:
        titles.append((singles, 'blends', False))
    lines = [SheetRow(i, faces, distributions) for i, (faces, distributions) in enumerate(zip(rows, scores))]
    return contact_sheet(lines, classes, titles)
