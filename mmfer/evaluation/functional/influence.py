r"""Metrics with their influence values: how much each image changes the metric.

A metric of N images is nearly the mean of N numbers. With the influence :math:`\psi_i` of image i, the standard error
of the metric is that of the mean of :math:`\psi`. The influence of a mean over seeds is the mean of their influences,
and that of a difference is the difference. So metrics of means, ranks and pairs of images are all tested like a mean
(``functional.studentised``), without resampling. Hampel, The influence curve and its role in robust estimation,
https://doi.org/10.2307/2285666.

Legend: N samples. Every function returns the metric and its influence values (N,), whose mean is 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ._arrays import as_flags, as_values
from .correlation import midranks
from .ranking import auroc, ood_ranking

WIDTH = 0.1  # of the kernel of the calibration error, in units of confidence


def mean_influence(values: ArrayLike) -> tuple[float, np.ndarray]:
    """Mean of values (N,).

    >>> mean_influence([1, 2, 6])
    (3.0, array([-2., -1.,  3.]))
    """
    values = as_values(values, 'values')
    return float(values.mean()), values - values.mean()


def skce(confidence: ArrayLike, correct: ArrayLike) -> tuple[float, np.ndarray]:
    r"""Squared kernel calibration error of the confidence c (N,), unbiased; ``correct`` (N,) are 0 or 1.

    .. math::
        SKCE = \frac{1}{N (N - 1)} \sum_{i \ne j} (y_i - c_i) (y_j - c_j) e^{-|c_i - c_j| / w}

    For a calibrated model its expectation is 0, whatever the confidences are; the plug-in ECE is then above 0 by an
    amount that depends on them. It may be below 0. Widmann et al., Calibration tests in multi-class classification,
    https://arxiv.org/abs/1910.11385, with their Laplacian kernel on the confidence. For a calibrated model, where pairs
    of images alone matter, the standard error is too large by up to :math:`\sqrt 2` (Efron & Stein,
    https://doi.org/10.1214/aos/1176345462), so tests are cautious.

    >>> value, _ = skce([0.9, 0.9, 0.6, 0.6], [1, 1, 1, 0])
    >>> round(value, 4)
    -0.0387
    """
    confidence = as_values(confidence, 'confidence')
    gap = as_flags(correct, 'correct', len(confidence)) - confidence
    size, order = len(gap), np.argsort(confidence, kind='stable')
    ordered = gap[order]
    up = np.exp((confidence[order] - 0.5) / WIDTH)
    below = np.cumsum(ordered * up) / up - ordered
    above = np.cumsum((ordered / up)[::-1])[::-1] * up - ordered
    rows = np.empty(size)
    rows[order] = ordered * (below + above) / (size - 1)
    return float(rows.mean()), 2 * (rows - rows.mean())


def aurc_influence(uncertainty: ArrayLike, wrong: ArrayLike) -> tuple[float, np.ndarray]:
    r"""Area under the risk-coverage curve, see :func:`~mmfer.evaluation.functional.aurc`; ``wrong`` (N,) are 0 or 1.

    It is the mean of :math:`e\,(-\ln F(u))`, F the share of images that are as certain or more, so that an image counts
    by its own error and by the place that it takes from those behind it.

    >>> value, influence = aurc_influence([0.1, 0.4, 0.3, 0.2], [0, 1, 0, 0])
    >>> round(value, 4), influence.round(3).tolist()
    (0.0625, [-0.062, 0.188, -0.062, -0.062])
    """
    uncertainty = as_values(uncertainty, 'uncertainty')
    wrong = as_flags(wrong, 'wrong', len(uncertainty))
    _, group, count = np.unique(uncertainty, return_inverse=True, return_counts=True)
    group = group.reshape(-1)

    def of_group(ordered: np.ndarray) -> np.ndarray:
        """Means over samples of equal uncertainty, whose order is open."""
        return np.add.reduceat(ordered, np.append(0, np.cumsum(count)[:-1])) / count

    place = np.arange(1, len(wrong) + 1)
    tail = np.cumsum((1 / place)[::-1])[::-1]
    expected = np.repeat(np.bincount(group, wrong) / count, count)
    behind = np.cumsum((expected / place)[::-1])[::-1]
    value = float((expected * tail).mean())
    influence = wrong * of_group(tail)[group] - of_group(behind)[group]
    return value, influence - influence.mean()


def _rank_covariance(a: np.ndarray, b: np.ndarray) -> tuple[float, np.ndarray]:
    """Covariance of the centred midranks (N,), as shares of N, and its influence values."""
    size = len(a)
    x, y = ((midranks(values) - 0.5) / size - 0.5 for values in (a, b))

    def above(values: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Mean of ``other`` over the samples with higher values, half of it for equal ones."""
        _, group = np.unique(values, return_inverse=True)
        sums = np.bincount(group.reshape(-1), other)
        return (np.cumsum(sums[::-1])[::-1] - sums / 2)[group.reshape(-1)] / size

    influence = x * y + above(a, y) + above(b, x)
    return float((x * y).mean()), influence - influence.mean()


def spearman_influence(a: ArrayLike, b: ArrayLike) -> tuple[float, np.ndarray]:
    """Spearman's rank correlation of a and b (N,), see :func:`~mmfer.evaluation.functional.rank_correlation`.

    NaN where either is constant.

    >>> value, _ = spearman_influence([1, 2, 3, 4], [10, 30, 20, 40])
    >>> round(value, 4)
    0.8
    """
    a = as_values(a, 'a')
    b = as_values(b, 'b', len(a))
    (ab, of_ab), (aa, of_aa), (bb, of_bb) = (_rank_covariance(*pair) for pair in ((a, b), (a, a), (b, b)))
    if aa < 1e-12 or bb < 1e-12:
        return float('nan'), np.full(len(a), np.nan)
    value = ab / np.sqrt(aa * bb)
    return float(value), of_ab / np.sqrt(aa * bb) - value / 2 * (of_aa / aa + of_bb / bb)


def auroc_influence(inside: ArrayLike, outside: ArrayLike) -> tuple[float, np.ndarray, np.ndarray]:
    """AUROC of scores (M,) outside against those (N,) inside, and the influence of each set, (N,) and (M,).

    The influence values are the placements of DeLong et al., https://doi.org/10.2307/2531595.

    >>> value, _, placed = auroc_influence([0.1, 0.2], [0.2, 0.7, 0.9])
    >>> round(value, 4), placed.round(4).tolist()
    (0.9167, [-0.1667, 0.0833, 0.0833])
    """
    inside, outside = as_values(inside, 'inside'), as_values(outside, 'outside')
    value = float(auroc(ood_ranking(inside, outside)))

    def share_below(values: np.ndarray, others: np.ndarray) -> np.ndarray:
        others = np.sort(others)
        return (np.searchsorted(others, values) + np.searchsorted(others, values, side='right')) / (2 * len(others))

    return value, 1 - share_below(inside, outside) - value, share_below(outside, inside) - value
