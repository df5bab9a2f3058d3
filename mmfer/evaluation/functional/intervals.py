"""Intervals and tests of metrics that have influence values, and of proportions.

``level`` is that of the interval, e.g. 0.95; p-values are two-sided.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy  # whose parts are imported when they are used
from numpy.typing import ArrayLike

from ._arrays import as_values
from .significance import sign_flip


class Difference(NamedTuple):
    """A figure or a difference, its interval, and the p-value of 0."""

    value: float
    low: float
    high: float
    p_value: float


UNKNOWN = Difference(*[float('nan')] * 4)


def check_level(level: float) -> None:
    """Refuse a level that is no share.

    >>> check_level(95)
    Traceback (most recent call last):
    ValueError: level=95: must be between 0 and 1
    """
    if not 0 < level < 1:
        raise ValueError(f'level={level}: must be between 0 and 1')


def studentised(value: float, influence: ArrayLike, level: float = 0.95, skewed: bool = True) -> Difference:
    r"""Interval and test of a figure over N images from its influence values (N,).

    This is Student's t of value and standard error, after a transformation that removes the skewness g of the influence
    values. With :math:`a = g / (3 \sqrt N)`,

    .. math::
        T' = T + a T^2 + \tfrac{1}{3} a^2 T^3 + \tfrac{1}{2} a

    Hall, On the removal of skewness by transformation, https://doi.org/10.1111/j.2517-6161.1992.tb01876.x. So the
    interval of a likelihood, which a few images dominate, has the right ends from 100 images on. Without any variance
    the interval is the value itself, and p is 1 for a value of 0, else 0.

    Args:
        value: The figure.
        influence: (N,).
        level: Of the interval.
        skewed: Whether the skewness is taken out. That of the difference of two models is by chance, where both are
            equal, and the correction of it would claim too often.

    >>> np.round(studentised(0.5, np.arange(-10, 11) / 10), 3).tolist()
    [0.5, 0.218, 0.782, 0.001]
    """
    check_level(level)
    influence = as_values(influence, 'influence') if np.isfinite(value) else np.zeros(0)
    size = len(influence)
    if size < 2:
        return UNKNOWN._replace(value=value)
    deviation = influence.std(ddof=1)
    if deviation < 1e-12:
        return Difference(value, value, value, float(abs(value) < 1e-12))
    error = deviation / np.sqrt(size)
    a = float(np.mean(((influence - influence.mean()) / deviation) ** 3)) / (3 * np.sqrt(size)) if skewed else 0.0
    t = value / error
    shifted = t + a * t**2 + a**2 * t**3 / 3 + a / 2
    quantile = scipy.special.stdtrit(size - 1, (1 + level) / 2)
    low, high = (value - error * _untransformed(end, a) for end in (quantile, -quantile))
    return Difference(value, low, high, float(2 * scipy.special.stdtr(size - 1, -abs(shifted))))


def _untransformed(t: float, a: float) -> float:
    return t if abs(a) < 1e-9 else float((np.cbrt(1 + 3 * a * (t - a / 2)) - 1) / a)


def proportion_interval(shares: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Interval of the mean of shares (N,) in [0, 1]: of one seed, which are right; of several, how often.

    For 0 and 1 it is Clopper & Pearson's exact interval (https://doi.org/10.1093/biomet/26.4.404). For shares it is the
    same with the effective number of images that has the same variance (Korn & Graubard, Confidence intervals for
    proportions with small expected number of positive counts estimated from survey data, Survey Methodology 24, 1998).

    >>> low, high = proportion_interval([1] * 60)
    >>> round(low, 3), high
    (0.94, 1.0)
    """
    check_level(level)
    shares = as_values(shares, 'shares')
    size, mean, spread = len(shares), shares.mean(), shares.var()
    if spread > 0:
        size = size * mean * (1 - mean) / spread
    count, tail = mean * size, (1 - level) / 2
    low = scipy.special.betaincinv(count, size - count + 1, tail) if mean > 0 else 0.0
    high = scipy.special.betaincinv(count + 1, size - count, 1 - tail) if mean < 1 else 1.0
    return float(low), float(high)


def paired_proportions(differences: ArrayLike, seeds: int = 1, level: float = 0.95) -> Difference:
    """Difference of two accuracies from that of each image (N,): -1, 0 or 1, or means of these over seeds.

    The p-value is :func:`~mmfer.evaluation.functional.sign_flip`, for one seed McNemar's exact test. The interval adds
    two images, one for either side (Bonett & Price, https://doi.org/10.3102/1076998611411915), so that it never
    collapses. Near the edge the two may disagree: the p-value decides.

    >>> np.round(paired_proportions([1] * 4 + [0] * 1996), 4).tolist()
    [0.002, -0.0004, 0.0044, 0.125]
    """
    check_level(level)
    differences = as_values(differences, 'differences')
    padded = np.append(differences, [1.0, -1.0])
    half = scipy.special.ndtri((1 + level) / 2) * padded.std() / np.sqrt(len(padded))
    return Difference(
        float(differences.mean()), padded.mean() - half, padded.mean() + half, sign_flip(differences, seeds).p_value
    )


def crossed(by_seed: ArrayLike, influence: ArrayLike, level: float = 0.95) -> Difference:
    r"""Interval and test of a difference of methods, with seeds and images as random samples.

    The variance of the mean over S seeds and N images is that of seeds plus that of images. In the half width of the
    interval each has its own quantile of Student's t:

    .. math::
        h^2 = t_{S-1}^2 \frac{s^2_{seeds}}{S} + t_{N-1}^2 \frac{s^2_{images}}{N}

    so that the interval contains the truth at least as often as its level says, whatever the two variances are
    (Banerjee, Approximate confidence interval for linear functions of means of k populations when the population
    variances are not equal, Sankhya 22, 1960). The p-value is that of the interval which ends at 0. A single t with
    Satterthwaite's degrees of freedom rejects too often: seeds that are close together by chance would count as many.
    Variance that seeds and images share is in both parts, so the test is conservative. The parts are those of several
    readers of the same cases (Obuchowski & Rockette, https://doi.org/10.1080/03610919508813243) and of the pigeonhole
    bootstrap (Owen, https://arxiv.org/abs/0712.1111).

    Args:
        by_seed: (S,) the difference with each seed. NaN results for less than two: one training says nothing of others.
        influence: (N,) mean over the seeds of the difference's influence values.
        level: Of the interval.

    >>> np.round(crossed([1.0, 1.2, 0.8], [0.1, -0.1] * 50), 3).tolist()
    [1.0, 0.503, 1.497, 0.013]
    """
    check_level(level)
    by_seed, influence = as_values(by_seed, 'by_seed'), as_values(influence, 'influence')
    value = float(by_seed.mean()) if len(by_seed) else float('nan')
    if len(by_seed) < 2:
        return UNKNOWN._replace(value=value)
    errors = np.array([values.std(ddof=1) / np.sqrt(len(values)) for values in (by_seed, influence)])
    error = float(np.hypot(*errors))
    if error < 1e-12:
        return Difference(value, value, value, float(abs(value) < 1e-12))
    degrees = np.array([len(by_seed) - 1, len(influence) - 1])

    def half(outside: float) -> float:
        """Half width of the interval that leaves out this share."""
        return float(np.hypot(*(errors * scipy.special.stdtrit(degrees, outside / 2))))

    # p lies between the p-values that a single t for the sum has, with the degrees of images and with those of seeds.
    least, most = np.log(np.clip(2 * scipy.special.stdtr(degrees[::-1], -abs(value) / error), 1e-200, 1))
    bounds = least - 1e-6, most + 1e-6
    if half(math.exp(bounds[0])) > abs(value) > half(math.exp(bounds[1])):
        least = scipy.optimize.brentq(lambda log_p: half(math.exp(log_p)) - abs(value), *bounds)
    end = half(1 - level)
    return Difference(value, value - end, value + end, min(1.0, math.exp(least)))
