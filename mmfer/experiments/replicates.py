"""Bootstrap replicates of the figures of many runs, the same resampled images for all of them.

They equal what ``mmfer.evaluation.functional`` gives with the same ``weights``; correlations are computed with the
images ordered only once a run, which is several times faster.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmfer.evaluation import functional as F

from .figures import BINS, RANKED
from .results import Run

BLOCK = 64  # replicates at a time: what the work on 7,000 images holds stays in the cache
RESAMPLED = ('accuracy', 'nll', 'brier', 'ece', 'aurc', 'kl', 'js', *(f'{name}_spearman' for name in RANKED))
"""Figures that have replicates, of runs that have the figure."""


def figure_replicates(runs: Sequence[Run], replicates: int, seed: int = 0) -> list[dict[str, np.ndarray]]:
    """Replicates (R,) of the figures ``RESAMPLED`` of each run, in the units of :func:`run_figures`.

    Args:
        runs: On the same N images.
        replicates: R.
        seed: Seed of the draws.
    """
    size = len(runs[0].labels)
    means = [_means(run) for run in runs]
    ranks = [_ranked(run) for run in runs]
    truth = None if runs[0].gt_distribution is None else _Ranks(F.entropy(runs[0].gt_distribution))
    found: list[dict[str, list]] = [{name: [] for name in RESAMPLED} for _ in runs]
    for chunk in F.resamples(size, replicates, seed):
        for kept, run, own in zip(found, runs, means):
            for name, values in own.items():
                kept[name].append(chunk @ values / size)
            confidence, correct = F.top_label(run.scores, run.labels)
            bins = F.calibration_bins(confidence, correct, BINS, weights=chunk)
            kept['ece'].append(100 * F.expected_calibration_error(bins))
            kept['aurc'].append(100 * F.aurc(F.rank_samples(run.uncertainty, ~correct, chunk)))
        for start in range(0, len(chunk) if truth else 0, BLOCK):
            weights = np.ascontiguousarray(chunk[start : start + BLOCK].T)
            target = truth.centred(weights)
            for kept, own in zip(found, ranks):
                for name, values in own.items():
                    kept[name].append(_correlation(values.centred(weights), target, weights))
    return [{name: np.concatenate(parts) for name, parts in kept.items() if parts} for kept in found]


def _means(run: Run) -> dict[str, np.ndarray]:
    """Figures that are means over the images: (N,) each."""
    own = np.arange(len(run.labels))
    scores = run.scores / run.scores.sum(1, keepdims=True)
    hit = np.zeros_like(scores)
    hit[own, run.labels] = 1
    values = dict(
        accuracy=100.0 * F.top_label(scores, run.labels)[1],
        nll=-np.log(np.maximum(scores[own, run.labels], np.finfo(np.float32).tiny)),
        brier=np.square(scores - hit).sum(1),
    )
    if run.gt_distribution is not None:
        values.update(kl=F.kl_divergence(run.gt_distribution, scores), js=F.jensen_shannon(run.gt_distribution, scores))
    return values


class _Ranks:
    """Midranks of values (N,) in resampled images, equal values sharing the mean of theirs."""

    def __init__(self, values: np.ndarray) -> None:
        self.order = np.argsort(values, kind='stable')
        ordered = values[self.order]
        new = np.append(True, ordered[1:] != ordered[:-1])
        self.starts = np.flatnonzero(new)
        self.group = np.empty(len(values), np.intp)
        self.group[self.order] = np.cumsum(new) - 1

    def centred(self, weights: np.ndarray) -> np.ndarray:
        """Midranks (N, R) less their mean, for counts (N, R)."""
        counts = weights[self.order]
        if len(self.starts) < len(self.order):
            counts = np.add.reduceat(counts, self.starts, axis=0)
        half = counts / 2
        half += len(self.order) / 2
        ranks = np.cumsum(counts, axis=0) - half
        return ranks[self.group]


def _ranked(run: Run) -> dict[str, _Ranks]:
    values = {f'{name}_spearman': getattr(run, name) for name in RANKED}
    return {name: _Ranks(value) for name, value in values.items() if value is not None}


def _correlation(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Correlation (R,) of centred ranks (N, R); NaN where either is constant."""
    weighted = weights * a
    variances = np.einsum('nr,nr->r', weighted, a) * np.einsum('nr,nr,nr->r', weights, b, b)
    defined = variances > 1e-9
    covariance = np.einsum('nr,nr->r', weighted, b)
    return np.where(defined, covariance / np.sqrt(np.where(defined, variances, 1)), np.nan)
