r"""Whether predicted vote shares vary as those of people: coverage of intervals, and the PIT histogram.

Legend: N faces, K classes, B bins; v (N,) the people of each face, n (N, K) their votes. The probability integral
transform (PIT) of a count is uniform over the step of its distribution function, from F(n - 1) to F(n); over all faces
it is uniform on [0, 1] if the predictions are right. The functions here take the expectation over that step instead of
a random draw (Czado et al., Predictive model assessment for count data,
https://doi.org/10.1111/j.1541-0420.2009.01191.x). So nothing depends on a seed, and a right prediction of counts has
exactly the nominal coverage on average.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy  # whose parts are imported when they are used
from numpy.typing import ArrayLike

from mmfer.structures.votes import count_probabilities

from .votes import as_samples, as_votes


def predicted_counts(samples: ArrayLike, people: ArrayLike) -> np.ndarray:
    """Probability that n of a face's people choose a class: (N, K, V + 1), n from 0 to the largest v, V.

    >>> predicted_counts([[[0.5, 0.5]], [[1.0, 0.0]]], [1, 2]).tolist()
    [[[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]], [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]]
    """
    p = as_samples(samples)
    people = np.asarray(people)
    if people.shape != (len(p),):
        raise ValueError(f'people has shape {people.shape}, expected ({len(p)},)')
    found = np.zeros((len(p), p.shape[2], int(people.max(initial=0)) + 1))
    for number in np.unique(people):
        rows = people == number
        found[rows, :, : number + 1] = count_probabilities(p[rows], number)
    return found


def pit_bounds(counts: ArrayLike, votes: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bound of the PIT of each count, (N, K) each.

    Args:
        counts: (N, K, V + 1) of :func:`predicted_counts`.
        votes: (N, K).

    >>> lower, upper = pit_bounds([[[0.25, 0.5, 0.25], [0.25, 0.5, 0.25]]], [[1, 1]])
    >>> lower.tolist(), upper.tolist()
    ([[0.25, 0.25]], [[0.75, 0.75]])
    """
    array = np.asarray(counts, np.float64)
    n = as_votes(votes)
    if array.shape[:-1] != n.shape or n.max(initial=0) >= array.shape[-1]:
        raise ValueError(f'counts {array.shape} do not belong to votes {n.shape}, of up to {n.max(initial=0)} people')
    ends = np.minimum(np.concatenate([np.zeros_like(array[..., :1]), array.cumsum(-1)], -1), 1)
    lower, upper = (np.take_along_axis(ends, place[..., None], -1)[..., 0] for place in (n, n + 1))
    return lower, upper


def _overlap(lower: np.ndarray, upper: np.ndarray, start: ArrayLike, end: ArrayLike) -> np.ndarray:
    """Share of each step that lies between ``start`` and ``end``; of one without length whether it begins there."""
    inside = np.clip(np.minimum(upper, end) - np.maximum(lower, start), 0, None)
    length = upper - lower
    point = (lower >= start) & ((lower < end) | (np.asarray(end) >= 1))
    return np.where(length > 1e-12, inside / np.maximum(length, 1e-12), point)


def held(lower: ArrayLike, upper: ArrayLike, level: float) -> np.ndarray:
    """Probability that the central interval contains each count, in the shape of the bounds; its mean is the coverage.

    >>> held([0.25, 0.0, 0.4], [0.75, 0.5, 0.6], 0.5).tolist()
    [1.0, 0.5, 1.0]
    """
    if not 0 < level < 1:
        raise ValueError(f'level={level} of an interval must lie between 0 and 1')
    tail = (1 - level) / 2
    return _overlap(np.asarray(lower, np.float64), np.asarray(upper, np.float64), tail, 1 - tail)


def coverage_curve(
    lower: ArrayLike, upper: ArrayLike, chosen: ArrayLike, levels: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Coverage of the central intervals of several levels, and its standard error over the faces: (L,) each.

    Args:
        lower, upper: (N, K) of :func:`pit_bounds`.
        chosen: (N, K) which counts take part; must not depend on the votes.
        levels: (L,) between 0 and 1.

    >>> coverage, error = coverage_curve([[0.0], [0.4]], [[0.5], [0.6]], [[True], [True]], [0.5, 0.9])
    >>> coverage.round(2).tolist(), error.round(2).tolist()
    ([0.75, 0.95], [0.18, 0.04])
    """
    picked = np.asarray(chosen, bool)
    total = max(int(picked.sum()), 1)
    coverage, error = [], []
    for level in np.asarray(levels, np.float64):
        inside = held(lower, upper, level)
        coverage.append((inside * picked).sum() / total)
        gaps = ((inside - coverage[-1]) * picked).sum(1)
        error.append(np.sqrt(np.square(gaps).sum()) / total)
    return np.array(coverage), np.array(error)


def interval_width(counts: ArrayLike, people: ArrayLike, level: float) -> np.ndarray:
    """Width of the central interval in shares of the people: (N, K).

    A count is spread evenly over a step of its own, as its PIT is, so that the interval holds just ``level``. It is
    ``level / v`` wide at least, where the count is certain.

    >>> interval_width([[[0.0, 1.0]], [[0.5, 0.5]]], [1, 1], 0.8).round(4).tolist()
    [[0.8], [1.6]]
    """
    array = np.asarray(counts, np.float64)
    cumulated = array.cumsum(-1)
    ends = []
    for target in ((1 - level) / 2, (1 + level) / 2):
        place = np.minimum((cumulated <= target).sum(-1, keepdims=True), array.shape[-1] - 1)
        step, upto = (np.take_along_axis(each, place, -1)[..., 0] for each in (array, cumulated))
        ends.append(place[..., 0] + 1 - (upto - target) / np.where(step > 0, step, 1))
    return (ends[1] - ends[0]) / np.asarray(people, np.float64)[:, None]


class PITHistogram(NamedTuple):
    """The density of the PIT in B bins of equal width, 1 where predictions are right.

    density: (B,). A heap in the middle is too wide a prediction, a U too narrow, a slope too high or too low.
    band: (B,) how far right predictions may be from 1: all bins stay within it in 95 of 100 samples.
    p_value: Of the test that all bins are equal; NaN where there are no more faces than bins.
    """

    density: np.ndarray
    band: np.ndarray
    p_value: float


def pit_histogram(lower: ArrayLike, upper: ArrayLike, chosen: ArrayLike, num_bins: int = 10) -> PITHistogram:
    r"""PIT histogram over the chosen counts, with a test that does not take classes of one face for independent.

    Counts of one face add up to v, so their PITs go together; faces are independent. The test therefore takes each
    face's sum :math:`d_i` (B,) of its counts' shares of the bins less 1 / B, whose expectation is 0 where predictions
    are right, and their covariance between faces: Hotelling's :math:`T^2` in its directions of full rank.

    Args:
        lower, upper: (N, K) of :func:`pit_bounds`.
        chosen: (N, K) which counts take part; must not depend on the votes. Classes that nobody expects tell nothing.
        num_bins: B.

    >>> lower = np.linspace(0, 0.9, 50)[:, None]
    >>> histogram = pit_histogram(lower, lower + 0.1, np.ones((50, 1), bool), 2)
    >>> histogram.density.round(2).tolist(), round(histogram.p_value, 2)
    ([1.0, 1.0], 1.0)
    """
    lower, upper = np.asarray(lower, np.float64), np.asarray(upper, np.float64)
    picked = np.asarray(chosen, bool)
    if not lower.shape == upper.shape == picked.shape or lower.ndim != 2:
        raise ValueError(f'lower {lower.shape}, upper {upper.shape}, chosen {picked.shape} must have one shape (N, K)')
    if num_bins < 2:
        raise ValueError(f'num_bins={num_bins}: a histogram needs two bins or more')
    edges = np.arange(num_bins + 1) / num_bins
    shares = _overlap(lower[..., None], upper[..., None], edges[:-1], edges[1:])
    gaps = np.where(picked[..., None], shares - 1 / num_bins, 0).sum(1)[picked.any(1)]
    size, total = len(gaps), max(int(picked.sum()), 1)
    if size < 2:
        return PITHistogram(1 + num_bins * gaps.sum(0) / total, np.full(num_bins, np.nan), float('nan'))
    spread = np.atleast_2d(np.cov(gaps.T))
    z = scipy.special.ndtri(1 - 0.025 / num_bins)  # Bonferroni's, over the bins
    band = num_bins * z * np.sqrt(size * np.diag(spread)) / total
    values, vectors = np.linalg.eigh(spread)
    full = values > 1e-9 * max(values.max(), 1e-9)
    rank = int(full.sum())
    p_value = float('nan')
    if rank > 0 and num_bins < size:
        statistic = size * (np.square(gaps.mean(0) @ vectors[:, full]) / values[full]).sum()
        p_value = float(scipy.special.fdtrc(rank, size - rank, statistic * (size - rank) / (rank * (size - 1))))
    return PITHistogram(1 + num_bins * gaps.sum(0) / total, band, p_value)
