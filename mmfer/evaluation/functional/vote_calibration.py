r"""Calibration against the votes of several people, and not only against the majority label.

Legend: N faces, M bins. A predicted probability p (N,) of a class is calibrated if, over all faces with this p, people
choose the class with the share p. ``shares`` y (N,) are the shares of the people of each face who chose it. The unit is
the face, since the votes for one face are not independent. Bins have equal numbers of faces, and faces of equal scores
stay together. ``weights`` (..., N), the counts of bootstrap replicates, do not change the bins.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ._arrays import as_values, as_weights, divide, plain
from .calibration import CalibrationBins


def _binned(scores: ArrayLike, shares: ArrayLike, num_bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, shares, and whether each face lies in each bin (N, M)."""
    p = as_values(scores, 'scores')
    y = as_values(shares, 'shares', len(p))
    if num_bins < 1:
        raise ValueError(f'num_bins={num_bins}: at least one bin is needed')
    for name, values in (('scores', p), ('shares', y)):
        if len(values) and not (values.min() >= 0 and values.max() <= 1 + 1e-6):
            raise ValueError(f'{name} is {values.min():.6g}..{values.max():.6g}, expected 0..1')
    bins = np.searchsorted(np.sort(p), p, side='left') * num_bins // max(len(p), 1)
    return p, y, bins[:, None] == np.arange(num_bins)


def vote_reliability(
    scores: ArrayLike, shares: ArrayLike, num_bins: int = 15, weights: ArrayLike | None = None
) -> CalibrationBins:
    """The table of a reliability diagram: mean score, and mean share of the votes as ``accuracy``, of each bin.

    >>> bins = vote_reliability([0.1, 0.2, 0.7, 0.8], [0.0, 0.2, 0.9, 1.0], 2)
    >>> bins.confidence.round(2).tolist(), bins.accuracy.round(2).tolist()
    ([0.15, 0.75], [0.1, 0.95])
    """
    p, y, inside = _binned(scores, shares, num_bins)
    w = as_weights(weights, len(p))
    count, confidence, share = (w @ (inside * column[:, None]) for column in (np.ones_like(p), p, y))
    lower, upper = (
        np.array([pick(p[column]) if column.any() else np.nan for column in inside.T]) for pick in (np.min, np.max)
    )
    return CalibrationBins(lower, upper, count, divide(confidence, count), divide(share, count))


def vote_calibration_error(
    scores: ArrayLike, shares: ArrayLike, num_bins: int = 15, weights: ArrayLike | None = None
) -> float | np.ndarray:
    r"""Root mean square gap between scores and shares of the votes, debiased; 0 for right scores, however few faces.

    .. math::
        CE^2 = \sum_m \frac{N_m}{N} \frac{1}{N_m (N_m - 1)} \sum_{i \ne j \in m} (y_i - p_i) (y_j - p_j)

    The square has the expectation of the square of the mean gap in each bin, as only pairs of different faces count; a
    plug-in error is above 0 even where scores are right. By chance it may lie below 0, and the root of its absolute
    value is then given with a minus. Gaps that cancel within a bin are not seen. The idea is that of Kumar et al.,
    Verified uncertainty calibration, https://arxiv.org/abs/1909.10155; there labels are 0 or 1.

    Args:
        scores: (N,), or (N, C) for C classes, whose squares are averaged.
        shares: In the same shape.
        num_bins: M of each class.
        weights: (..., N). Copies of a face in a replicate are no pair.

    >>> round(vote_calibration_error([0.5] * 4, [0.7, 0.7, 0.7, 0.7], 1), 4)
    0.2
    >>> round(vote_calibration_error([0.5] * 4, [0.4, 0.6, 0.3, 0.7], 1), 4)
    -0.0913
    """
    columns = [np.asarray(each, np.float64) for each in (scores, shares)]
    p, y = (each[:, None] if each.ndim == 1 else each for each in columns)
    if p.shape != y.shape or p.ndim != 2:
        raise ValueError(f'scores {columns[0].shape} and shares {columns[1].shape} must have the same shape')
    w = as_weights(weights, len(p))
    squared = []
    for score, share in zip(p.T, y.T):
        score, share, inside = _binned(score, share, num_bins)
        gaps = inside * (share - score)[:, None]
        size = w @ inside
        pairs = np.square(size) - np.square(w) @ inside
        products = np.square(w @ gaps) - np.square(w) @ np.square(gaps)
        known = np.where(pairs > 0, size, 0)  # a bin with a single face tells nothing
        squared.append(divide((known * divide(products, pairs, 0)).sum(-1), known.sum(-1)))
    mean = np.mean(squared, axis=0)
    return plain(np.sign(mean) * np.sqrt(np.abs(mean)))
