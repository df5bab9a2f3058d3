"""Entropy of distributions, and correlation of two measures over the samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ._arrays import as_distributions, as_values, as_weights, cumulate, divide, plain


def entropy(distributions: ArrayLike) -> np.ndarray:
    r"""Shannon entropy :math:`-\sum_k p_k \ln p_k` of each row (N, K), in nats: (N,) from 0 to ln K.

    Rows are divided by their sum, so votes may be given; errors as in ``divergence``. Twelve digits are given, so that
    rows of the same entropy, such as the votes (6, 2, 1, 1) and (3, 4, 0, 3), are tied in ranks.

    >>> entropy([[3, 0], [5, 5]]).round(4).tolist()
    [0.0, 0.6931]
    """
    p = as_distributions(distributions, 'distributions')
    return 0.0 - (p * np.log(np.where(p > 0, p, 1))).sum(1).round(12)


def midranks(values: ArrayLike, weights: ArrayLike | None = None) -> np.ndarray:
    """Ranks 1..N of values (N,), equal values sharing the mean of theirs; (..., N) with counts (..., N).

    >>> midranks([0.3, 0.1, 0.3]).tolist(), midranks([0.3, 0.1, 0.3], [1, 2, 0]).tolist()
    ([2.5, 1.0, 2.5], [3.0, 1.5, 3.0])
    """
    values = as_values(values, 'values')
    weights = as_weights(weights, len(values))
    order = np.argsort(values, kind='stable')
    ordered = values[order]
    upto = cumulate(weights[..., order])
    below = upto[..., np.searchsorted(ordered, ordered, side='left')]
    ranks = np.empty_like(below)
    ranks[..., order] = (below + upto[..., np.searchsorted(ordered, ordered, side='right')] + 1) / 2
    return ranks


def pearson(a: np.ndarray, b: np.ndarray, weights: ArrayLike | None = None) -> float | np.ndarray:
    """Pearson's correlation of a and b (..., N); NaN where either is constant or there are less than two samples.

    >>> pearson(np.array([1.0, 2, 3]), np.array([2.0, 4, 6]))
    1.0
    """
    weights = as_weights(weights, np.shape(a)[-1])
    size = weights.sum(-1, keepdims=True)

    def centred(x: np.ndarray) -> np.ndarray:
        mean = divide((weights * x).sum(-1, keepdims=True), size)
        rest = x - mean
        rest[np.abs(rest) < 1e-14 * np.abs(mean)] = 0  # rounding alone is no variance
        return rest

    a, b = centred(a), centred(b)
    weighted = weights * a
    variances = (weighted * a).sum(-1) * (weights * b * b).sum(-1)
    return plain(np.clip(divide((weighted * b).sum(-1), np.sqrt(variances)), -1, 1))


def rank_correlation(a: ArrayLike, b: ArrayLike, weights: ArrayLike | None = None) -> float | np.ndarray:
    """Spearman's rank correlation of values a and b (N,), from -1 to 1, equal values sharing their mean rank.

    NaN where either is constant or there are less than two samples; NaN values are an error. Spearman,
    https://doi.org/10.2307/1412159.

    Args:
        a: (N,), for example the entropy of predictions.
        b: (N,), for example the entropy of votes.
        weights: (..., N), how often each sample counts (whole numbers), as in bootstrap replicates.

    >>> round(rank_correlation([1, 2, 3, 4], [10, 30, 20, 40]), 4)
    0.8
    """
    a = as_values(a, 'a')
    b = as_values(b, 'b', len(a))
    return pearson(midranks(a, weights), midranks(b, weights), weights)
