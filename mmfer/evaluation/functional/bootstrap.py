"""Intervals by resampling the samples with replacement.

A replicate is a row of counts: how often each of the N samples was drawn. Functions of this package take such rows as
``weights`` and compute many replicates at once.

The intervals show how much a metric depends on the choice of the test images. They are Efron's bias-corrected and
accelerated intervals. A metric that is biased in small samples, such as the calibration error, is more biased in its
replicates, so an interval of plain percentiles could miss the metric itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import scipy  # whose parts are imported when they are used
from numpy.typing import ArrayLike

from ._arrays import mean

__all__ = ['bca_interval', 'bootstrap_intervals', 'mean', 'percentile_interval', 'resamples']

CELLS = 2**21  # counts at a time: 16 MiB
GROUPS = 100  # of samples that are left out together, for the acceleration


def resamples(size: int, replicates: int = 1000, seed: int = 0) -> Iterator[np.ndarray]:
    """Counts of the samples in each replicate, in chunks (rows, N); the same for the same arguments.

    >>> [chunk.sum(1).tolist() for chunk in resamples(5, 2)]
    [[5.0, 5.0]]

    Raises:
        ValueError: If there are no samples or no replicates.
    """
    if size < 1 or replicates < 1:
        raise ValueError(f'size={size}, replicates={replicates}: a bootstrap needs at least one of both')
    rng = np.random.default_rng(seed)
    chunk = max(1, CELLS // size)
    for done in range(0, replicates, chunk):
        rows = min(chunk, replicates - done)
        drawn = rng.integers(0, size, (rows, size))
        drawn += np.arange(rows)[:, None] * size
        yield np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size).astype(np.float64)


def percentile_interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """The middle ``level`` of the values (R,); undefined ones (NaN) are left out, and NaN results without others.

    >>> low, high = percentile_interval(np.arange(101))
    >>> round(low, 4), round(high, 4)
    (2.5, 97.5)

    Raises:
        ValueError: If ``level`` lies outside (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f'level={level}: must be between 0 and 1')
    drawn = np.asarray(values, np.float64)
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return float('nan'), float('nan')
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bca_interval(value: float, values: ArrayLike, left_out: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Bias-corrected and accelerated interval of a figure; undefined replicates (NaN) are left out.

    Efron, Better bootstrap confidence intervals, https://doi.org/10.1080/01621459.1987.10478410. If all replicates lie
    on one side of the metric, no correction is known, and the percentiles are returned. If all replicates are equal,
    for example with only right answers, they contain no information on the error, and the result is NaN.

    Args:
        value: The figure of all samples.
        values: (R,) its replicates.
        left_out: (G,) the figure without each of G equal parts of the samples.
        level: Of the interval.

    >>> low, high = bca_interval(0.0, np.arange(-50, 51), np.arange(-5, 6) / 500)
    >>> round(low, 1), round(high, 1)
    (-47.5, 47.5)
    """
    drawn = np.asarray(values, np.float64)
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn) or np.ptp(drawn) < 1e-12:
        return float('nan'), float('nan')
    below = float(np.mean(drawn < value) + np.mean(drawn == value) / 2)
    if not 0 < below < 1:
        return percentile_interval(drawn, level)
    left = np.asarray(left_out, np.float64)
    spread = np.nanmean(left) - left
    squares = np.nansum(spread**2)
    acceleration = np.nansum(spread**3) / (6 * squares**1.5) if squares > 0 else 0.0
    bias = scipy.special.ndtri(below)
    ends = bias + scipy.special.ndtri([(1 - level) / 2, (1 + level) / 2])
    low, high = np.quantile(drawn, scipy.special.ndtr(bias + ends / (1 - acceleration * ends)))
    return float(low), float(high)


def bootstrap_intervals(
    statistics: Callable[[np.ndarray], Mapping[str, np.ndarray]],
    size: int,
    replicates: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Intervals of several figures over the same replicates, see :func:`bca_interval`.

    Args:
        statistics: Gets counts (rows, N), returns the name of each figure and its values (rows,).
        size: N.
        replicates: Number of replicates.
        seed: Seed of the draws.
        level: Of the interval.

    Returns:
        Name -> low and high end.

    >>> from mmfer.evaluation.functional.calibration import brier
    >>> scores, target = [[0.8, 0.2]] * 20, [0] * 15 + [1] * 5
    >>> low, high = bootstrap_intervals(lambda weights: dict(brier=brier(scores, target, weights)), 20)['brier']
    >>> low < brier(scores, target) < high
    True
    """
    chunks: dict[str, list[np.ndarray]] = {}
    for weights in resamples(size, replicates, seed):
        for name, values in statistics(weights).items():
            chunks.setdefault(name, []).append(np.broadcast_to(values, len(weights)))
    whole, parts = statistics(np.ones((1, size))), min(size, GROUPS)
    left_out = statistics((np.arange(size) % parts != np.arange(parts)[:, None]).astype(np.float64))
    found = {}
    for name, drawn in chunks.items():
        without = np.broadcast_to(left_out[name], parts)
        found[name] = bca_interval(float(np.squeeze(whole[name])), np.concatenate(drawn), without, level)
    return found
