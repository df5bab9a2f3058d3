"""Thresholds of uncertainty above which a model abstains, found on images that it was not trained on."""

from __future__ import annotations

import math

import numpy as np
import scipy  # whose parts are imported when they are used
from numpy.typing import ArrayLike

from ._arrays import as_flags, as_values

__all__ = ['error_bound', 'threshold_at_coverage', 'threshold_at_risk']


def threshold_at_coverage(uncertainty: ArrayLike, coverage: float) -> float:
    """The lowest threshold t for which at least ``coverage`` of the samples have an uncertainty (N,) of at most t.

    >>> threshold_at_coverage([0.1, 0.4, 0.3, 0.2], 0.75)
    0.3

    Raises:
        ValueError: If ``coverage`` lies outside (0, 1], or there are no samples.
    """
    if not 0 < coverage <= 1:
        raise ValueError(f'coverage={coverage}: must be in (0, 1]')
    ordered = np.sort(as_values(uncertainty, 'uncertainty'))
    if not len(ordered):
        raise ValueError('a threshold needs samples')
    return float(ordered[math.ceil(len(ordered) * coverage - 1e-9) - 1])


def error_bound(wrong: int, answered: int, delta: float) -> float:
    r"""The error rate b at which ``wrong`` or fewer of ``answered`` answers are wrong with probability ``delta``.

    .. math::
        \sum_{j=0}^{k} \binom{m}{j} b^j (1 - b)^{m - j} = \delta

    So the true rate lies below b with confidence 1 - delta (Clopper & Pearson). b is 1 if all answers are wrong, or if
    there are none.

    >>> round(error_bound(0, 10, 0.05), 4)
    0.2589
    """
    return float(scipy.special.betaincinv(wrong + 1, answered - wrong, 1 - delta)) if wrong < answered else 1.0


def threshold_at_risk(uncertainty: ArrayLike, wrong: ArrayLike, risk: float, delta: float = 0.05) -> float:
    r"""The highest threshold found below which the error rate of new answers is at most ``risk``, with confidence.

    This is selection with guaranteed risk: a bisection over the number of answers in :math:`\lceil\log_2 N\rceil`
    steps. Each step bounds the error rate (:func:`error_bound`) at :math:`\delta / \lceil\log_2 N\rceil`. So all bounds
    hold together with probability :math:`1 - \delta`, for new images like these.

    Paper: Geifman & El-Yaniv, Selective classification for deep neural networks, https://arxiv.org/abs/1705.08500

    Args:
        uncertainty: (N,).
        wrong: (N,) whether the answer is wrong.
        risk: Error rate of the answers, in (0, 1).
        delta: Probability with which the bound may fail.

    Raises:
        ValueError: If ``risk`` or ``delta`` lie outside (0, 1), or no threshold keeps the risk for these samples.

    >>> threshold_at_risk(np.arange(200) / 200, np.arange(200) >= 150, 0.05)
    0.75
    """
    for name, value in (('risk', risk), ('delta', delta)):
        if not 0 < value < 1:
            raise ValueError(f'{name}={value}: must lie between 0 and 1')
    uncertainty = as_values(uncertainty, 'uncertainty')
    wrong = as_flags(wrong, 'wrong', len(uncertainty))
    order = np.argsort(uncertainty, kind='stable')
    ordered, errors = uncertainty[order], np.cumsum(wrong[order])
    low, high, best = 1, len(ordered), math.nan
    steps = max(1, math.ceil(math.log2(max(2, len(ordered)))))
    for _ in range(steps):
        if low > high:
            break
        middle = (low + high + 1) // 2
        threshold = ordered[middle - 1]
        answered = int(np.searchsorted(ordered, threshold, side='right'))  # equal ones are answered together
        if error_bound(int(errors[answered - 1]), answered, delta / steps) <= risk:
            low, best = answered + 1, float(threshold)
        else:
            high = int(np.searchsorted(ordered, threshold, side='left'))
    if math.isnan(best):
        raise ValueError(
            f'no threshold keeps the error rate below {100 * risk:g} % with confidence {100 * (1 - delta):g} % on '
            f'these {len(ordered)} samples, of which {int(wrong.sum())} are answered wrongly: allow a higher one, or '
            'bring more samples'
        )
    return best
