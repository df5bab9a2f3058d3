"""Figures of a run with the influence of each image on them: what intervals and tests are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mmfer.evaluation import functional as F
from mmfer.evaluation.functional.intervals import Difference

from .figures import RANKED
from .results import Run

FEW = 8  # images answered wrongly (or rightly) from which on intervals of likelihoods and the like can be relied on


class Estimate(NamedTuple):
    """A figure in the units of :func:`run_figures`, and its influence values (N,)."""

    value: float
    influence: np.ndarray


def estimates(run: Run) -> dict[str, Estimate]:
    """The figures of a run that have intervals, by the names of ``FIGURES``."""
    scores = run.scores / run.scores.sum(1, keepdims=True)
    rows = np.arange(len(run.labels))
    confidence, correct = F.top_label(scores, run.labels)
    hit = np.zeros_like(scores)
    hit[rows, run.labels] = 1
    means = dict(
        accuracy=100.0 * correct,
        nll=-np.log(np.maximum(scores[rows, run.labels], np.finfo(np.float32).tiny)),
        brier=np.square(scores - hit).sum(1),
    )
    truth = run.gt_distribution
    if truth is not None:
        means.update(kl=F.kl_divergence(truth, scores), js=F.jensen_shannon(truth, scores))
    found = {name: F.mean_influence(values) for name, values in means.items()}
    for name, factor, own in (
        ('skce', 1e4, F.skce(confidence, correct)),
        ('aurc', 100.0, F.aurc_influence(run.uncertainty, ~correct)),
    ):
        found[name] = (factor * own[0], factor * own[1])
    for what in RANKED if truth is not None else ():
        if getattr(run, what) is not None:
            found[f'{what}_spearman'] = F.spearman_influence(getattr(run, what), F.entropy(truth))
    return {name: Estimate(*own) for name, own in found.items()}


def answered(runs: Sequence[Run]) -> tuple[int, int]:
    """Images that some run answers wrongly, and those that some run answers rightly."""
    correct = np.array([F.top_label(run.scores, run.labels)[1] for run in runs])
    return int((~correct).any(0).sum()), int(correct.any(0).sum())


def mean_interval(own: Sequence[Estimate], name: str, level: float, few: bool) -> tuple[float, float]:
    """Interval of the mean over seeds, images drawn by chance; NaN where ``few`` images decide the figure."""
    value, influence = np.mean([each.value for each in own]), np.mean([each.influence for each in own], axis=0)
    if name == 'accuracy':
        low, high = F.proportion_interval(np.clip((influence + value) / 100, 0, 1), level)
        return 100 * low, 100 * high
    return (np.nan, np.nan) if few else F.studentised(float(value), influence, level)[1:3]


def difference(
    by_seed: Sequence[float], influence: np.ndarray, level: float, shares: bool = False
) -> tuple[Difference, Difference]:
    """A difference as a statement on these trained models, and as one on what their methods give.

    Args:
        by_seed: (S,) differences.
        influence: (N,) mean of their influence values.
        level: Of the intervals.
        shares: Whether it is one of two accuracies, in %.
    """
    value = float(np.mean(by_seed))
    if shares:
        images = F.paired_proportions((influence + value) / 100, len(by_seed), level)
        images = Difference(value, 100 * images.low, 100 * images.high, images.p_value)
    else:
        images = F.studentised(value, influence, level, skewed=False)
    seeds = by_seed if np.isfinite(by_seed).all() else ()
    return images, F.crossed(seeds, influence if len(seeds) else np.zeros(2), level)._replace(value=value)
