r"""Thresholds of prediction sets with a guaranteed coverage: split conformal prediction and conformal risk control.

Legend: N faces of the fit, K classes. The faces of the fit and a new one must be exchangeable (drawn alike, in any
order), and the model must not have been trained on them. The guarantee holds on average over faces and fits, not for
each face. For labels it is

.. math::
    1 - \alpha \le P(y_{N + 1} \in C(x_{N + 1})) \le 1 - \alpha + \frac{1}{N + 1}

where the upper bound needs scores without ties. The sets here are never empty, which makes ties: if more than
:math:`1 - \alpha` of the most probable classes are right, sets of one class have a higher coverage than requested.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mmfer.structures.label_sets import METHODS, set_scores

from ._arrays import as_distributions, as_labels, as_scores

__all__ = ['fit_sets', 'images_needed', 'risk_threshold']

PENALTY, FREE = 0.1, 1  # of RAPS


def images_needed(coverage: float) -> int:
    """How many images a threshold needs, so that not all classes must be in each set: the least N >= 1 / alpha - 1.

    >>> images_needed(0.9), images_needed(0.95)
    (9, 19)
    """
    if not 0 < coverage < 1:
        raise ValueError(f'coverage={coverage} of sets: a share above 0 and below 1')
    return max(1, math.ceil(1 / (1 - coverage) - 1e-9) - 1)


def risk_threshold(scores: ArrayLike, shares: ArrayLike, coverage: float) -> float:
    r"""The least threshold at which the sets of new faces hold ``coverage`` of their shares on average.

    Conformal risk control of the share :math:`L_i(t) = \sum_k v_{ik} [s_{ik} > t]` that the set of a face leaves out:

    .. math::
        \min \left\{ t : \frac{\sum_i L_i(t) + 1}{N + 1} \le \alpha \right\}

    If each face has one label, this is the :math:`\lceil (1 - \alpha)(N + 1) \rceil`-th smallest score of the labels:
    split conformal prediction.

    Paper: Angelopoulos et al., Conformal risk control, https://arxiv.org/abs/2208.02814

    Args:
        scores: s (N, K), see :func:`mmfer.structures.label_sets.set_scores`; or (N, 1), those of the labels alone.
        shares: v (N, K), of sum 1 for each face; or (N, 1), ones.
        coverage: :math:`1 - \alpha`, in (0, 1).

    Raises:
        ValueError: If there are too few faces.

    >>> risk_threshold(np.arange(19)[:, None] / 20, np.ones((19, 1)), 0.9)
    0.85
    """
    scores, shares = np.asarray(scores, np.float64), np.asarray(shares, np.float64)
    number, needed = len(scores), images_needed(coverage)
    if number < needed:
        raise ValueError(f'sets of {100 * coverage:g} % need {needed} images or more, not {number}')
    allowed = (1 - coverage) * (number + 1) - 1  # what the sets of the fit may leave out together
    order = np.argsort(scores, axis=None, kind='stable')
    held = np.cumsum(shares.ravel()[order])
    place = np.searchsorted(held, held[-1] - allowed - 1e-9)
    return float(scores.ravel()[order[place]])


def fit_sets(
    scores: ArrayLike,
    target: ArrayLike,
    coverage: float,
    method: str = 'aps',
    by_class: bool = False,
    votes: ArrayLike | None = None,
    classes: Sequence[str] | None = None,
) -> dict[str, Any]:
    r"""Fit the prediction sets of a model: find their threshold.

    The sets of ``'aps'``, ``'raps'`` and ``'lac'`` contain the label of a new face with probability ``coverage``. With
    ``by_class`` they do so among the faces of each class, with one threshold for each class (Mondrian). The sets of
    ``'votes'`` contain on average the share ``coverage`` of the votes of a new face, and so the vote of one more
    person with this probability.

    Args:
        scores: Probabilities (N, K), calibrated or not.
        target: Labels (N,).
        coverage: :math:`1 - \alpha`, in (0, 1).
        method: One of the four.
        by_class: A threshold for each class.
        votes: Counts (N, K), for ``'votes'``.
        classes: Names, for messages.

    Returns:
        What :func:`mmfer.structures.label_sets.find_sets` takes: ``method``, ``coverage``, ``by_class``, ``threshold``
        (one number or K), ``samples``, and of RAPS ``penalty`` and ``free``.

    Raises:
        ValueError: If there are too few images, or an argument is wrong.

    >>> fit_sets(np.full((20, 2), 0.5), np.arange(20) < 9, 0.5)['threshold']
    0.0
    """
    probs = as_scores(scores)
    target = as_labels(target, *probs.shape)
    if method not in METHODS:
        raise ValueError(f'method={method!r} of sets: {", ".join(METHODS)}')
    if method == 'votes' and by_class:
        raise ValueError('sets of votes have no class to go by: leave by_class out, or take another method')
    options: dict[str, Any] = dict(penalty=PENALTY, free=FREE) if method == 'raps' else {}
    late = set_scores(np.asarray(scores), method, **options)
    threshold: float | list[float]
    if method == 'votes':
        if votes is None:
            raise ValueError("method='votes' needs the votes of each face")
        threshold = risk_threshold(late, as_distributions(votes, 'votes'), coverage)
    else:
        own = np.take_along_axis(late, target[:, None], 1)
        parts = [target == k for k in range(probs.shape[1])] if by_class else [np.full(len(target), True)]
        if by_class:
            _check_classes(np.array([part.sum() for part in parts]), coverage, classes)
        found = [risk_threshold(own[part], np.ones((part.sum(), 1)), coverage) for part in parts]
        threshold = found if by_class else found[0]
    return dict(
        method=method, coverage=coverage, by_class=by_class, threshold=threshold, samples=len(target), **options
    )


def _check_classes(counts: np.ndarray, coverage: float, classes: Sequence[str] | None) -> None:
    needed = images_needed(coverage)
    few = [f'{count} of {classes[k] if classes else k}' for k, count in enumerate(counts) if count < needed]
    if few:
        raise ValueError(
            f'sets of {100 * coverage:g} % by class need {needed} images of each class, and there are '
            f'{", ".join(few)}. Bring more images, ask for less, or do without by_class.'
        )
