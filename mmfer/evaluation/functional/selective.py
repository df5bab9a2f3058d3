r"""Selective prediction: answering only where the model is certain enough.

All functions take a ranking of the *wrong* answers by uncertainty, ``rank_samples(uncertainty, wrong)``. At n answers
the coverage is n / N, and the risk is the share of wrong answers among the n most certain ones. If uncertainties are
equal, the risk is its expected value over all orders: of j samples out of a group of g with e wrong ones, j e / g are
wrong. So results do not depend on the order of the samples.

El-Yaniv & Wiener, On the foundations of noise-free selective classification, https://jmlr.org/papers/v11/el-yaniv10a.html;
Geifman et al., Bias-reduced uncertainty estimation for deep neural classifiers, https://arxiv.org/abs/1805.08206.
"""

from __future__ import annotations

import numpy as np

from ._arrays import divide, plain, search
from .ranking import Ranking, rank_samples

__all__ = ['accuracy_at_coverage', 'aurc', 'best_aurc', 'excess_aurc', 'rank_samples', 'risk_coverage']


def risk_coverage(ranks: Ranking) -> tuple[np.ndarray, np.ndarray]:
    """The risk-coverage curve: coverage (N,) = 1/N, 2/N, ..., 1, and the risk there (N,), a fraction.

    >>> coverage, risk = risk_coverage(rank_samples([0.1, 0.4, 0.4, 0.2], [0, 1, 0, 0]))
    >>> coverage.tolist(), risk.round(4).tolist()
    ([0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 0.1667, 0.25])

    Raises:
        ValueError: If the ranking is one of several bootstrap replicates.
    """
    if ranks.total.ndim != 1:
        raise ValueError(f'risk_coverage takes one ranking at a time, not {ranks.total.shape[:-1]}')
    answered = np.arange(1, int(ranks.total[-1]) + 1)
    return answered / max(1, len(answered)), np.interp(answered, ranks.total, ranks.positive) / answered


def _harmonic(size: int) -> np.ndarray:
    return np.append(0, np.cumsum(1 / np.arange(1, size + 1)))


def aurc(ranks: Ranking) -> float | np.ndarray:
    r"""Area under the risk-coverage curve, the mean risk over n = 1..N answers, a fraction; NaN without samples.

    0 where nothing is wrong, 1 where all is; a random order gives the share of wrong answers. With equal uncertainties
    it is the expected value (see above), in closed form: for a group of g samples with e wrong ones after C samples
    with E wrong ones, :math:`\sum_{j=1}^g \frac{E + j e/g}{C + j} = e + (E - C e/g)(H_{C+g} - H_C)`, H harmonic.

    >>> round(aurc(rank_samples([0.1, 0.4, 0.4, 0.2], [0, 1, 0, 0])), 4)
    0.1042
    """
    size = ranks.total[..., -1]
    group, wrong = np.diff(ranks.total, axis=-1), np.diff(ranks.positive, axis=-1)
    before, wrong_before = ranks.total[..., :-1], ranks.positive[..., :-1]
    harmonic = _harmonic(int(size.max(initial=0)))[ranks.total.astype(np.int64)]
    sums = wrong_before - before * divide(wrong, group, otherwise=0)
    sums *= np.diff(harmonic, axis=-1)
    return plain(divide(sums.sum(-1) + ranks.positive[..., -1], size))


def best_aurc(ranks: Ranking) -> float | np.ndarray:
    r"""AURC of the same answers in the best order, all k wrong ones last; a fraction, NaN without samples.

    :math:`\frac{1}{N} \sum_{n > N-k} \frac{n - (N-k)}{n}`, computed exactly (Geifman et al. approximate it by
    :math:`r + (1 - r) \ln(1 - r)` with r = k / N).

    >>> round(best_aurc(rank_samples([0.1, 0.4, 0.4, 0.2], [0, 1, 0, 0])), 4)
    0.0625
    """
    size, wrong = ranks.total[..., -1], ranks.positive[..., -1]
    harmonic = _harmonic(int(size.max(initial=0)))
    tail = harmonic[size.astype(np.int64)] - harmonic[(size - wrong).astype(np.int64)]
    return plain(divide(wrong - (size - wrong) * tail, size))


def excess_aurc(ranks: Ranking) -> float | np.ndarray:
    """E-AURC: :func:`aurc` minus :func:`best_aurc`, a fraction, 0 is best; Geifman et al.

    >>> round(excess_aurc(rank_samples([0.1, 0.4, 0.4, 0.2], [0, 1, 0, 0])), 4)
    0.0417
    """
    return aurc(ranks) - best_aurc(ranks)


def accuracy_at_coverage(ranks: Ranking, coverage: float) -> float | np.ndarray:
    """Accuracy of the most certain answers, ``ceil(coverage * N)`` of them; a fraction, NaN without samples.

    >>> accuracy_at_coverage(rank_samples([0.1, 0.4, 0.4, 0.2], [0, 1, 0, 0]), 0.5)
    1.0

    Raises:
        ValueError: If ``coverage`` lies outside (0, 1].
    """
    if not 0 < coverage <= 1:
        raise ValueError(f'coverage={coverage}: must be in (0, 1]')
    answered = np.ceil(ranks.total[..., -1:] * coverage - 1e-9)
    group = search(ranks.total, answered, side='left')  # the group that the last answer is in
    before, upto, wrong_before, wrong_upto = (
        np.take_along_axis(counts, at, -1)
        for counts in (ranks.total, ranks.positive)
        for at in (np.maximum(group - 1, 0), group)
    )
    rate = divide(wrong_upto - wrong_before, upto - before, otherwise=0)
    wrong = wrong_before + (answered - before) * rate
    return plain(1 - divide(wrong, answered)[..., 0])
