"""Bootstrap replicates of the figures of many runs, the same resampled images for all of them.

They equal what ``mmfer.evaluation.functional`` gives with the same ``weights``, but are computed with the images along
the first axis and ordered only once a run, which is several times faster where runs are many.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mmfer.evaluation import functional as F

from .figures import BINS, RANKED
from .results import Run

BLOCK = 64  # replicates at a time: what the work on 7,000 images holds stays in the cache
PIECE = 64
RESAMPLED = ('accuracy', 'nll', 'brier', 'ece', 'aurc', 'kl', 'js', *(f'{name}_spearman' for name in RANKED))
"""Figures that have replicates, of runs that have the figure."""

Replicator = Callable[[np.ndarray], np.ndarray]


def figure_replicates(runs: Sequence[Run], replicates: int, seed: int = 0) -> list[dict[str, np.ndarray]]:
    """Replicates (R,) of the figures ``RESAMPLED`` of each run, in the units of :func:`run_figures`.

    Args:
        runs: On the same N images.
        replicates: R.
        seed: Seed of the draws.
    """
    size = len(runs[0].labels)
    means = [_means(run) for run in runs]
    columns = np.stack([values for each in means for values in each.values()], axis=1)
    others = [_others(run) for run in runs]
    truth = None if runs[0].gt_distribution is None else _Ranks(F.entropy(runs[0].gt_distribution))
    correlated = [_ranked(run) if truth is not None else {} for run in runs]
    averages: list[np.ndarray] = []
    found: list[dict[str, list]] = [{} for _ in runs]
    for chunk in F.resamples(size, replicates, seed):
        averages.append(chunk @ columns / size)
        for start in range(0, len(chunk), BLOCK):
            rows = chunk[start : start + BLOCK]
            weights = np.ascontiguousarray(rows.T)
            target = truth.centred(weights) if truth is not None else None
            for kept, curves, ranks in zip(found, others, correlated):
                for name, replicate in curves.items():
                    kept.setdefault(name, []).append(replicate(weights))
                for name, values in ranks.items():
                    kept.setdefault(name, []).append(_correlation(values.centred(weights), target, weights))
    by_column = iter(np.concatenate(averages).T)
    result = []
    for each, kept in zip(means, found):
        values = {name: next(by_column) for name in each}
        values.update((name, np.concatenate(blocks)) for name, blocks in kept.items())
        result.append({name: values[name] for name in RESAMPLED if name in values})
    return result


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


def _others(run: Run) -> dict[str, Replicator]:
    confidence, correct = F.top_label(run.scores, run.labels)
    return dict(ece=_ece(confidence, correct), aurc=_aurc(run.uncertainty, ~correct))


def _ece(confidence: np.ndarray, correct: np.ndarray) -> Replicator:
    edges = np.linspace(0, 1, BINS + 1)
    which = np.searchsorted(edges[1:-1], confidence, side='left')  # bins hold lower < confidence <= upper
    gaps = np.zeros((BINS, len(confidence)))
    gaps[which, np.arange(len(confidence))] = correct - confidence
    return lambda weights: 100 * np.abs(gaps @ weights).sum(0) / len(confidence)


def _aurc(uncertainty: np.ndarray, wrong: np.ndarray) -> Replicator:
    r"""AURC by the places p of the wrong answers: :math:`\frac{1}{N} \sum_p (H_N - H_{p-1})`, H harmonic."""
    order = np.argsort(uncertainty, kind='stable')
    ordered, bad, size = uncertainty[order], wrong[order], len(order)
    same = ordered[1:] == ordered[:-1]
    if (same & (bad[1:] != bad[:-1])).any():  # equal uncertainties of right and wrong answers: all their orders count
        return lambda weights: 100 * np.asarray(F.aurc(F.rank_samples(uncertainty, wrong, weights.T)))
    harmonic = np.append(0, np.cumsum(1 / np.arange(1, size + 1)))
    cost = np.append(0, np.cumsum(harmonic[-1] - harmonic[:-1]))  # of wrong answers in the first p places
    at = np.flatnonzero(bad)

    def replicate(weights: np.ndarray) -> np.ndarray:
        last = _running(weights[order])[at]
        first = last - weights[order[at]]
        return 100 * (cost[last.astype(np.intp)] - cost[first.astype(np.intp)]).sum(0) / size

    return replicate


def _running(counts: np.ndarray) -> np.ndarray:
    """Running sums of (N, R) along N, in place: within pieces first, then from piece to piece.

    Sums of whole numbers are exact in any order. NumPy's ``cumsum`` goes number by number, five times as slow.
    """
    size, columns = counts.shape
    whole = size // PIECE * PIECE
    pieces = counts[:whole].reshape(-1, PIECE, columns)
    for i in range(1, PIECE):
        pieces[:, i] += pieces[:, i - 1]
    for i in range(1, len(pieces)):
        pieces[i] += pieces[i - 1, -1]
    for i in range(max(1, whole), size):
        counts[i] += counts[i - 1]
    return counts


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
        ranks = _running(counts)
        ranks -= half
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
