"""Metrics over subsets of the faces, with their influence values: by these, groups of faces are compared.

Legend: N faces, K classes. ``FIGURES`` describes each metric. Its formula is that of the module that it is named after.
``influence`` explains influence values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ._arrays import FLOOR, as_scores, as_values, divide
from .abstention import threshold_at_coverage
from .calibration import top_label
from .correlation import entropy
from .divergence import jensen_shannon, kl_divergence
from .influence import aurc_influence, skce

Estimate = tuple[float, np.ndarray]
Over = Callable[[np.ndarray], Estimate]
BINS = 15


class Kind(NamedTuple):
    """unit; better: 1 where higher is better, -1 where lower is, 0 where 0 is best; share: whether a proportion."""

    unit: str
    better: int
    share: bool = False


FIGURES = dict(
    accuracy=Kind('%', 1, True),
    mean_class_accuracy=Kind('%', 1),
    nll=Kind('nats', -1),
    brier=Kind('0 to 2', -1),
    overconfidence=Kind('% points', 0),
    ece=Kind('%', -1),
    skce=Kind('%²', -1),
    aurc=Kind('%', -1),
    selective_risk=Kind('%', -1, True),
    coverage=Kind('%', 1, True),
    js=Kind('nats', -1),
    kl=Kind('nats', -1),
)
"""Name -> :class:`Kind`. ``selective_risk``: share of wrong answers among those up to one threshold of the uncertainty,
the same for all groups; ``coverage``: share of faces that are answered there. ``js``, ``kl``: distance from the votes
or the true distribution. ``ece`` grows in smaller groups by chance alone; ``skce`` and ``overconfidence`` do not."""


class GroupFigure(NamedTuple):
    """A figure that can be computed over any of the N faces.

    name: One of ``FIGURES``.
    over: Rows (n,) -> the figure and its influence values (n,); NaN where these rows do not define it.
    counted: (N,) the weight of each face: 0 where an unanswered face counts for nothing.
    """

    name: str
    over: Over
    counted: np.ndarray

    @property
    def kind(self) -> Kind:
        return FIGURES[self.name]


def group_figure(
    name: str,
    scores: ArrayLike,
    labels: ArrayLike,
    uncertainty: ArrayLike | None = None,
    truth: ArrayLike | None = None,
    threshold: float | None = None,
    coverage: float = 0.9,
) -> GroupFigure:
    """A figure of ``FIGURES``, in its unit.

    Args:
        name: Which.
        scores: (N, K) predicted probabilities.
        labels: (N,).
        uncertainty: (N,); the entropy of the scores by default.
        truth: (N, K) votes or true distributions, for ``js`` and ``kl``.
        threshold: Answers with an uncertainty of at most this are given, in ``selective_risk`` and ``coverage``. By
            default the lowest at which the share ``coverage`` of all N faces is answered.
        coverage: See ``threshold``.

    >>> figure = group_figure('accuracy', [[0.9, 0.1], [0.4, 0.6], [0.8, 0.2]], [0, 0, 0])
    >>> value, influence = figure.over(np.array([0, 1]))
    >>> value, influence.tolist()
    (50.0, [50.0, -50.0])

    Raises:
        ValueError: If the name is unknown, or there is no truth for a figure that is measured against it.
    """
    if name not in FIGURES:
        raise ValueError(f'{name!r} is no figure of groups. Take one of {", ".join(FIGURES)}.')
    confidence, right = top_label(scores, labels)
    scores, labels = as_scores(scores), np.asarray(labels, np.int64)
    correct, size = right.astype(np.float64), len(labels)
    unsure = entropy(scores) if uncertainty is None else as_values(uncertainty, 'uncertainty', size)
    if name in ('js', 'kl') and truth is None:
        raise ValueError(f'{name} needs votes or true distributions. Set keep_score=True in PackInputs.')
    ones = np.ones(size)

    def answered() -> np.ndarray:
        limit = threshold_at_coverage(unsure, coverage) if threshold is None else threshold
        return (unsure <= limit).astype(np.float64)

    picked = np.maximum(scores[np.arange(size), labels], FLOOR)
    if name == 'mean_class_accuracy':
        return GroupFigure(name, _mean_class_accuracy(correct, labels, scores.shape[1]), ones)
    if name == 'ece':
        return GroupFigure(name, _ece(confidence, correct), ones)
    if name == 'skce':
        return GroupFigure(name, _of_two(lambda rows: skce(confidence[rows], right[rows]), 1e4), ones)
    if name == 'aurc':
        return GroupFigure(name, _of_two(lambda rows: aurc_influence(unsure[rows], ~right[rows]), 100, 1), ones)
    if name == 'selective_risk':
        counted = answered()
        return GroupFigure(name, _mean(100 * (1 - correct), counted), counted)
    values: dict[str, Callable[[], np.ndarray]] = dict(
        accuracy=lambda: 100 * correct,
        nll=lambda: -np.log(picked),
        brier=lambda: np.square(scores).sum(1) - 2 * scores[np.arange(size), labels] + 1,
        overconfidence=lambda: 100 * (confidence - correct),
        coverage=lambda: 100 * answered(),
        js=lambda: jensen_shannon(np.asarray(truth), scores),
        kl=lambda: kl_divergence(np.asarray(truth), scores),
    )
    return GroupFigure(name, _mean(values[name](), ones), ones)


def mean_over(figures: Sequence[GroupFigure]) -> GroupFigure:
    """The mean of one figure over several seeds, on the same faces.

    >>> scores = [[0.9, 0.1], [0.4, 0.6]]
    >>> mean_over([group_figure('accuracy', scores, labels) for labels in ([0, 0], [0, 1])]).over(np.array([0, 1]))[0]
    75.0
    """

    def over(rows: np.ndarray) -> Estimate:
        values, influence = zip(*(figure.over(rows) for figure in figures))
        return float(np.mean(values)), np.mean(influence, axis=0)

    return GroupFigure(figures[0].name, over, np.mean([figure.counted for figure in figures], axis=0))


def _undefined(rows: np.ndarray) -> Estimate:
    return float('nan'), np.full(len(rows), np.nan)


def _mean(values: np.ndarray, counted: np.ndarray) -> Over:
    def over(rows: np.ndarray) -> Estimate:
        own, weights = values[rows], counted[rows]
        total = weights.sum()
        if not total > 0:
            return _undefined(rows)
        value = float(weights @ own / total)
        return value, (own - value) * weights * (len(rows) / total)

    return over


def _mean_class_accuracy(correct: np.ndarray, labels: np.ndarray, size: int) -> Over:
    def over(rows: np.ndarray) -> Estimate:
        if not len(rows):
            return _undefined(rows)
        own = labels[rows]
        count = np.bincount(own, minlength=size)
        recall = divide(np.bincount(own, correct[rows], size), count)
        classes = np.count_nonzero(count)
        scale = 100 * len(rows) / (classes * count[own])
        return 100 * float(np.nansum(recall) / classes), (correct[rows] - recall[own]) * scale

    return over


def _ece(confidence: np.ndarray, correct: np.ndarray) -> Over:
    bins = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence, side='left')

    def over(rows: np.ndarray) -> Estimate:
        if not len(rows):
            return _undefined(rows)
        gap = correct[rows] - confidence[rows]
        sums = np.bincount(bins[rows], gap, BINS)
        value = float(np.abs(sums).sum() / len(rows))
        return 100 * value, 100 * (np.sign(sums)[bins[rows]] * gap - value)

    return over


def _of_two(estimate: Over, scale: float, least: int = 2) -> Over:
    """A figure that takes at least so many faces."""

    def over(rows: np.ndarray) -> Estimate:
        if len(rows) < least:
            return _undefined(rows)
        value, influence = estimate(rows)
        return scale * value, scale * influence

    return over
