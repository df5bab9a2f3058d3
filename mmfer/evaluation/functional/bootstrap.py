"""Intervals by resampling the samples with replacement.

A replicate is a row of counts: how often each of the N samples was drawn. Functions of this package take such rows as
``weights`` and compute many replicates at once.

Efron & Tibshirani, An introduction to the bootstrap, 1993: percentile intervals. They show how much a figure depends on
which images were tested. A figure that is biased in small samples, such as the calibration error, is more so in its
replicates, so that its interval can lie above it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ._arrays import mean

__all__ = ['Difference', 'bootstrap_intervals', 'mean', 'paired_bootstrap', 'percentile_interval', 'resamples']

CELLS = 2**21  # counts at a time: 16 MiB


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
    values = np.asarray(values, np.float64)
    values = values[~np.isnan(values)]
    if not len(values):
        return float('nan'), float('nan')
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_intervals(
    statistics: Callable[[np.ndarray], Mapping[str, np.ndarray]],
    size: int,
    replicates: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of several figures over the same replicates.

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
    return {name: percentile_interval(np.concatenate(values), level) for name, values in chunks.items()}


class Difference(NamedTuple):
    """Figure of the first model minus that of the second, its interval, and the two-sided p-value of no difference."""

    value: float
    low: float
    high: float
    p_value: float


def paired_bootstrap(
    first: Callable[[np.ndarray], np.ndarray],
    second: Callable[[np.ndarray], np.ndarray],
    size: int,
    replicates: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Difference:
    """Difference of a figure between two models on the same samples; both see the same replicates.

    The p-value is twice the share of replicates on the other side of zero (zero itself counts for either side), plus
    one in numerator and denominator, so that it is never 0 (Davison & Hinkley, Bootstrap methods and their
    application, 1997, section 4.2). Replicates where either figure is undefined are left out.

    Args:
        first: Gets counts (rows, N), returns the figure of the first model (rows,).
        second: The same for the second model.
        size: N.
        replicates: Number of replicates.
        seed: Seed of the draws.
        level: Of the interval.

    >>> right = np.array([1.0] * 90 + [0.0] * 10), np.array([1.0] * 60 + [0.0] * 40)
    >>> result = paired_bootstrap(*(lambda weights, r=r: mean(r, weights) for r in right), 100)
    >>> round(result.value, 4), result.low > 0.2, result.p_value < 0.01
    (0.3, True, True)
    """
    whole = np.ones((1, size))
    value = float(np.squeeze(np.asarray(first(whole)) - np.asarray(second(whole))))
    values = np.concatenate([np.atleast_1d(first(w) - second(w)) for w in resamples(size, replicates, seed)])
    values = values[~np.isnan(values)]
    if not len(values):
        return Difference(value, *[float('nan')] * 3)
    side = min((values <= 0).sum(), (values >= 0).sum())
    p_value = min(1.0, 2 * (1 + float(side)) / (1 + len(values)))
    return Difference(value, *percentile_interval(values, level), p_value)
