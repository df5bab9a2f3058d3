"""Exact tests of the difference between two models on the same samples, and the correction for testing many.

All p-values are two-sided. ``intervals`` has the tests over seeds, and of metrics that are not counts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy  # whose parts are imported when they are used
from numpy.typing import ArrayLike

from ._arrays import as_flags, as_values


class SignTest(NamedTuple):
    """Pairs where the first is higher, where the second is higher, and the p-value."""

    first: int
    second: int
    p_value: float


def mcnemar(first_correct: ArrayLike, second_correct: ArrayLike) -> SignTest:
    r"""Exact McNemar test: do two models err equally often on the same samples (N,)?

    Of the n samples that just one of them gets right, each goes to either with probability 1/2:
    :math:`p = \min(1, 2 \sum_{i=0}^{\min(b, c)} \binom{n}{i} 2^{-n})`. 1 where they never differ. McNemar,
    https://doi.org/10.1007/BF02295996. Samples must be independent: test one seed at a time.

    Returns:
        Samples that only the first, and only the second model gets right, and the p-value.

    >>> first, second, p_value = mcnemar([1, 1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0])
    >>> first, second, round(p_value, 5)
    (6, 0, 0.03125)
    """
    first = as_flags(first_correct, 'first_correct')
    return sign_flip(first - as_flags(second_correct, 'second_correct', len(first)))


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
    length = scipy.fft.next_fast_len(total + 1, real=True)
    angle = np.pi * np.arange(length // 2 + 1) / length
    product = np.prod([np.cos(size * angle) ** number for size, number in enumerate(counts) if number], axis=0)
    ways = scipy.fft.irfft(product * np.exp(-1j * total * angle), length)[: total + 1]
    extreme = np.abs(2 * np.arange(total + 1) - total) >= abs(whole.sum())
    return SignTest(first, second, float(np.clip(ways[extreme].sum(), 2.0**-52, 1)))


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
