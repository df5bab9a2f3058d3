"""Tests of the difference between two models, exact where it matters, and the correction for testing many.

All p-values are two-sided. Differences are rounded to 10 decimals, so that the rounding of floats neither makes a
difference nor breaks a tie; NaN and infinite ones are an error.
"""

from __future__ import annotations

from math import erfc, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ._arrays import as_flags, as_values

EXACT_WILCOXON = 50  # pairs up to which the distribution is enumerated


class SignTest(NamedTuple):
    """Pairs where the first is higher, where the second is higher, and the p-value."""

    first: int
    second: int
    p_value: float


class WilcoxonTest(NamedTuple):
    """The smaller of both rank sums, the pairs that differ, and the p-value."""

    statistic: float
    pairs: int
    p_value: float


def _as_differences(differences: ArrayLike) -> np.ndarray:
    differences = as_values(differences, 'differences').round(10)
    if np.isinf(differences).any():
        raise ValueError('differences must be finite')
    return differences


def _fair_coin(a: int, b: int) -> float:
    """Probability of a split at least as uneven as a : b in a + b throws, in whole numbers up to the division."""
    n, ways, total = a + b, 1, 0
    for i in range(min(a, b) + 1):
        total += ways
        ways = ways * (n - i) // (i + 1)
    return 1.0 if a == b else 2 * total / 2**n


def mcnemar(first_correct: ArrayLike, second_correct: ArrayLike) -> SignTest:
    r"""Exact McNemar test: do two models err equally often on the same samples (N,)?

    Of the n samples that just one of them gets right, each goes to either with probability 1/2:
    :math:`p = \min(1, 2 \sum_{i=0}^{\min(b, c)} \binom{n}{i} 2^{-n})`. 1 where they never differ. McNemar,
    https://doi.org/10.1007/BF02295996. Samples must be independent: test one seed at a time.

    Returns:
        Samples that only the first, and only the second model gets right, and the p-value.

    >>> mcnemar([1, 1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0])
    SignTest(first=6, second=0, p_value=0.03125)
    """
    first = as_flags(first_correct, 'first_correct')
    return sign_test(first - as_flags(second_correct, 'second_correct', len(first)))


def sign_test(differences: ArrayLike) -> SignTest:
    """Exact sign test of paired differences (N,), first minus second; zeros are left out.

    1 where all are zero or there are none. With n pairs p is never below ``2 ** (1 - n)``: five seeds cannot reach
    0.05.

    >>> sign_test([0.5, 0.1, 0.7, 0.2, 0.0])
    SignTest(first=4, second=0, p_value=0.125)
    """
    differences = _as_differences(differences)
    first, second = int((differences > 0).sum()), int((differences < 0).sum())
    return SignTest(first, second, _fair_coin(first, second))


def sign_flip(differences: ArrayLike, seeds: int = 1) -> SignTest:
    r"""Exact test of the mean of paired differences (N,): how often are random signs as far from 0?

    For the answers of one seed, where differences are -1, 0 or 1, this is McNemar's test; for the mean over several
    seeds it weighs an image by how many of them differ. The distribution of :math:`\sum_i \pm |d_i|` comes from its
    characteristic function, in one Fourier transform. Fisher, The design of experiments, 1935; Pitman,
    https://doi.org/10.2307/2984124.

    Args:
        differences: Whole multiples of ``1 / seeds``.
        seeds: The number of seeds that each is the mean of.

    >>> first, second, p_value = sign_flip([1, 1, 1, 1, 1, 1, 0])
    >>> first, second, round(p_value, 5)
    (6, 0, 0.03125)
    """
    steps = as_values(differences, 'differences') * seeds
    whole = np.rint(steps)
    if np.abs(steps - whole).max(initial=0) > 1e-6:
        raise ValueError(f'differences are no multiples of 1 / {seeds}: they are of another number of seeds')
    first, second = int((whole > 0).sum()), int((whole < 0).sum())
    counts = np.bincount(np.abs(whole).astype(int))
    total = int(counts @ np.arange(len(counts)))
    if whole.sum() == 0:
        return SignTest(first, second, 1.0)
    angle = -2j * np.pi * np.arange(total + 1) / (total + 1)
    powers = (((1 + np.exp(size * angle)) / 2) ** number for size, number in enumerate(counts) if size and number)
    ways = np.fft.ifft(np.prod(list(powers), axis=0)).real
    extreme = np.abs(2 * np.arange(total + 1) - total) >= abs(whole.sum())
    return SignTest(first, second, float(np.clip(ways[extreme].sum(), 2.0**-52, 1)))


def wilcoxon(differences: ArrayLike) -> WilcoxonTest:
    """Wilcoxon's signed-rank test of paired differences (N,), first minus second; zeros are left out.

    Equal sizes share their mean rank. Up to 50 pairs the p-value is exact, over all signs of the ranks as they are,
    ties included; above that the normal approximation, with its correction for ties and without one for continuity. 1
    where all are zero or there are none. With n pairs it is never below ``2 ** (1 - n)``. Wilcoxon,
    https://doi.org/10.2307/3001968.

    >>> wilcoxon([0.5, 0.1, -0.2, 0.7, 0.3, 0.0])
    WilcoxonTest(statistic=2.0, pairs=5, p_value=0.1875)
    """
    differences = _as_differences(differences)
    differences = differences[differences != 0]
    pairs = len(differences)
    if not pairs:
        return WilcoxonTest(0.0, 0, 1.0)
    size, inverse, counts = np.unique(np.abs(differences), return_inverse=True, return_counts=True)
    double = 2 * np.cumsum(counts) - counts + 1  # twice the rank, a whole number
    ranks = double[inverse]
    positive = int(ranks[differences > 0].sum())
    statistic = min(positive, int(ranks.sum()) - positive)
    if pairs <= EXACT_WILCOXON:
        ways = np.zeros(int(ranks.sum()) + 1)
        ways[0] = 1  # probability of each doubled rank sum
        for rank in ranks:
            shifted = np.zeros_like(ways)
            shifted[rank:] = ways[:-rank]
            ways = (ways + shifted) / 2
        return WilcoxonTest(statistic / 2, pairs, float(min(1.0, 2 * ways[: statistic + 1].sum())))
    variance = pairs * (pairs + 1) * (2 * pairs + 1) / 24 - float((counts**3 - counts).sum()) / 48
    z = (statistic / 2 - pairs * (pairs + 1) / 4) / sqrt(variance)
    return WilcoxonTest(statistic / 2, pairs, erfc(-z / sqrt(2)))


def holm(p_values: ArrayLike) -> np.ndarray:
    r"""Holm's correction of p-values (N,) for testing N hypotheses, in the order given.

    :math:`\tilde p_{(i)} = \max_{j \le i} \min(1, (N - j + 1)\, p_{(j)})`; rejecting those up to 0.05 keeps the chance
    of any false claim at 5 %. NaN stays NaN and is no test. Holm, https://www.jstor.org/stable/4615733.

    >>> holm([0.01, 0.04, 0.03]).round(4).tolist()
    [0.03, 0.06, 0.06]

    Raises:
        ValueError: If a p-value lies outside [0, 1].
    """
    p = np.asarray(p_values, np.float64)
    if p.ndim != 1 or ((p < 0) | (p > 1)).any():
        raise ValueError('p_values must be numbers in [0, 1], of shape (N,)')
    adjusted = np.full(p.shape, np.nan)
    tests = np.flatnonzero(~np.isnan(p))
    order = tests[np.argsort(p[tests], kind='stable')]
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return adjusted
