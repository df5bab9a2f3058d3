"""Copies of images that were mirrored, brightened, turned, cropped or encoded anew."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import torch

from mmfer.utils.perceptual_hash import SIZE

_CELLS = 12
_MIN_LIKENESS = 0.67
"""Pairs below this correlation of coarse descriptors are not looked at closer."""
MIN_AGREEMENT = 0.89
"""Copies: smallest correlation of the aligned thumbnails."""
_ROWS = 2048


def normalise(thumb: np.ndarray) -> np.ndarray:
    """The local structure of a thumbnail, free of brightness, contrast and smooth shadows.

    Each pixel loses the weighted mean of its neighbourhood and is divided by its standard deviation there.

    Args:
        thumb: uint8 (32, 32).

    Returns:
        float32 (32, 32).
    """
    pixels = thumb.astype(np.float32)
    rest = pixels - cv2.GaussianBlur(pixels, (0, 0), 4.0)
    return rest / np.sqrt(cv2.GaussianBlur(rest * rest, (0, 0), 4.0) + 4.0)


def _warp(angle: float, scale: float, shift: tuple[float, float], mirror: bool) -> np.ndarray:
    """The affine map (2, 3) from places in a turned, enlarged, shifted, mirrored thumbnail to those in the original."""
    centre = (SIZE - 1) / 2
    turn = np.deg2rad(angle)
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / scale
    offset = centre - linear @ np.full(2, centre) + np.asarray(shift) * SIZE
    warp = np.column_stack([linear, offset])
    if mirror:
        warp = warp @ np.array([[-1, 0, SIZE - 1], [0, 1, 0], [0, 0, 1]])
    return warp.astype(np.float32)


def _searched() -> Iterator[tuple[float, float, tuple[float, float]]]:
    """Angles (degrees), enlargements and shifts (shares of the side) that are tried."""
    for angle in (-10, -5, 0, 5, 10):
        yield angle, 1.0, (0, 0)
    for angle in (-5, 5):
        for dx in (-0.022, 0.022):
            for dy in (-0.022, 0.022):
                yield angle, 1.06, (dx, dy)
    for dx in (-0.05, 0, 0.05):
        for dy in (-0.05, 0, 0.05):
            yield 0, 1.14, (dx, dy)
    for angle in (-8, 8):
        for dx in (-0.035, 0.035):
            for dy in (-0.035, 0.035):
                yield angle, 1.12, (dx, dy)


def _describe(normal: np.ndarray, warp: np.ndarray) -> torch.Tensor:
    """Unit vectors (N, 144) of 12 x 12 values of the warped images."""
    step = SIZE / _CELLS
    cells = np.array([[step, 0, (step - 1) / 2], [0, step, (step - 1) / 2], [0, 0, 1]])
    to_original = warp @ cells
    out = np.empty((len(normal), _CELLS * _CELLS), np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for i, image in enumerate(normal):
        out[i] = cv2.warpAffine(
            image, to_original, (_CELLS, _CELLS), flags=flags, borderMode=cv2.BORDER_REPLICATE
        ).ravel()
    out -= out.mean(1, keepdims=True)
    return torch.from_numpy(out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6))


def _candidates(a: torch.Tensor, b: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (P, 2) of which one is the most alike of the other, and their correlations (P,)."""
    best_b, which_b = torch.full((len(b),), _MIN_LIKENESS), torch.zeros(len(b), dtype=torch.int64)
    pairs, scores = [], []
    for start in range(0, len(a), _ROWS):
        alike = a[start : start + _ROWS] @ b.T
        score = alike.amax(1)  # where the maximum lies is asked for the few that count, which is ten times faster
        rows = torch.nonzero(score > _MIN_LIKENESS).flatten()
        pairs.append(torch.stack([rows + start, alike[rows].argmax(1)], 1))
        scores.append(score[rows])
        score = alike.amax(0)
        columns = torch.nonzero(score > best_b).flatten()
        best_b[columns], which_b[columns] = score[columns], alike[:, columns].argmax(0) + start
    columns = torch.nonzero(best_b > _MIN_LIKENESS).flatten()
    pairs.append(torch.stack([which_b[columns], columns], 1))
    scores.append(best_b[columns])
    return torch.cat(pairs).numpy(), torch.cat(scores).numpy()


def agreement(a: np.ndarray, b: np.ndarray, warp: np.ndarray) -> float:
    """The correlation of two normalised thumbnails once ``b`` is aligned to ``a`` by an affine map near ``warp``.

    "Parametric Image Alignment Using Enhanced Correlation Coefficient Maximization", PAMI 2008,
    https://doi.org/10.1109/TPAMI.2008.113

    Args:
        a: float32 (32, 32).
        b: float32 (32, 32).
        warp: float32 (2, 3), places in ``a`` to places in ``b``.

    Returns:
        -1 to 1; 0 where no map is found, or where it leaves less than half of ``a`` or distorts it.
    """
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 20, 1e-3)
    try:
        _, found = cv2.findTransformECC(a, b, warp.copy(), cv2.MOTION_AFFINE, criteria, None, 3)
    except cv2.error:
        return 0.0
    stretch = np.linalg.svd(found[:, :2], compute_uv=False)
    if stretch[0] > 1.3 * stretch[1] or not 0.7 < stretch[1] <= stretch[0] < 1.43:
        return 0.0
    # the border is marked by a value that no normalised pixel has
    moved = cv2.warpAffine(b, found, (SIZE, SIZE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderValue=-1e4)
    inside = moved > -100
    if inside.mean() < 0.5:
        return 0.0
    x, y = a[inside], moved[inside]
    x, y = x - x.mean(), y - y.mean()
    return float(x @ y / max(np.sqrt((x @ x) * (y @ y)), 1e-6))


def find_copies(a: np.ndarray, b: np.ndarray, workers: int = 1) -> np.ndarray:
    """Which images of ``a`` show the same picture as an image of ``b``, though it was changed.

    Found are images that were mirrored, brightened, turned by up to 12 degrees, cropped by up to 15 %, scaled, encoded
    anew, or all of these. Each image of one side is compared with its most similar ones of the other side, for each of
    the geometric changes that are searched; what is alike is aligned and compared closely.

    Args:
        a: uint8 (N, 32, 32), thumbnails.
        b: uint8 (M, 32, 32).
        workers: Threads that align candidates.

    Returns:
        int64 (P, 2), indices in ``a`` and ``b``; ascending.
    """
    normal_a, normal_b = (np.empty(side.shape, np.float32) for side in (a, b))
    for normal, side in ((normal_a, a), (normal_b, b)):
        for row, thumb in zip(normal, side):
            row[:] = normalise(thumb)
    mirror_b = np.ascontiguousarray(normal_b[:, :, ::-1])
    plain = _warp(0, 1, (0, 0), False)
    plain_a, plain_b, plain_mirror = (_describe(side, plain) for side in (normal_a, normal_b, mirror_b))
    found: dict[tuple[int, int, bool], tuple[float, np.ndarray]] = {}

    def keep(pairs: np.ndarray, scores: np.ndarray, mirrored: bool, warp: np.ndarray) -> None:
        for (i, j), score in zip(pairs.tolist(), scores.tolist()):
            if score > found.get((i, j, mirrored), (0.0, warp))[0]:
                found[i, j, mirrored] = score, warp

    for angle, scale, shift in _searched():
        warp = _warp(angle, scale, shift, False)
        back = cv2.invertAffineTransform(warp)
        cropped_a = _describe(normal_a, warp) if scale > 1 else None
        for mirrored, normal, flat in ((False, normal_b, plain_b), (True, mirror_b, plain_mirror)):
            keep(*_candidates(plain_a, _describe(normal, warp)), mirrored, warp)
            if cropped_a is not None:
                keep(*_candidates(cropped_a, flat), mirrored, back)

    def agree(pair: tuple[int, int, bool]) -> bool:
        i, j, mirrored = pair
        return agreement(normal_a[i], (mirror_b if mirrored else normal_b)[j], found[pair][1]) >= MIN_AGREEMENT

    pairs = list(found)
    parts = [pairs[start : start + _ROWS] for start in range(0, len(pairs), _ROWS)]  # a task each, as pairs are many
    with ThreadPoolExecutor(workers) as pool:
        kept = pool.map(lambda part: [pair[:2] for pair in part if agree(pair)], parts)
        copies = {pair for part in kept for pair in part}
    return np.array(sorted(copies), dtype=np.int64).reshape(-1, 2)
