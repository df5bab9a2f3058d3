r"""How well a score separates positives, such as wrong answers or out-of-distribution images, from negatives.

Legend: N samples, G groups of equal score. Everything follows from a :class:`Ranking`, made once. Equal scores stay
together: a threshold takes all of them or none. A NaN score is an error; infinite scores are the highest or lowest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ._arrays import as_flags, as_values, as_weights, cumulate, divide, plain, search


class Ranking(NamedTuple):
    """Samples by ascending score.

    score: (G,) different scores, ascending.
    total: (..., G + 1) samples with the lowest 0, 1, ..., G scores.
    positive: (..., G + 1) positives among them.
    """

    score: np.ndarray
    total: np.ndarray
    positive: np.ndarray


def rank_samples(score: ArrayLike, positive: ArrayLike, weights: ArrayLike | None = None) -> Ranking:
    """Rank samples by their score (N,); ``positive`` (N,) marks those that should have high scores.

    Args:
        score: For example the uncertainty.
        positive: For example whether the answer is wrong.
        weights: (..., N), how often each sample counts (whole numbers), as in bootstrap replicates.

    >>> rank_samples([0.3, 0.1, 0.3], [1, 0, 0])
    Ranking(score=array([0.1, 0.3]), total=array([0., 1., 3.]), positive=array([0., 0., 1.]))
    """
    score = as_values(score, 'score')
    positive = as_flags(positive, 'positive', len(score))
    weights = as_weights(weights, len(score))
    order = np.argsort(score, kind='stable')
    score, weights = score[order], weights[..., order]
    ends = np.append(score[1:] != score[:-1], np.ones(min(1, len(score)), bool))
    total, found = cumulate(weights), cumulate(weights * positive[order])
    if not ends.all():
        borders = np.append(0, np.flatnonzero(ends) + 1)
        score, total, found = score[ends], total[..., borders], found[..., borders]
    return Ranking(score, total, found)


def swap(ranks: Ranking) -> Ranking:
    """The same samples by the negated score, with positives and negatives exchanged.

    For wrong answers ranked by uncertainty it is right answers ranked by certainty.

    >>> swap(rank_samples([0.3, 0.1, 0.3], [1, 0, 0]))
    Ranking(score=array([-0.3, -0.1]), total=array([0., 2., 3.]), positive=array([0., 1., 2.]))
    """
    total, positive = (counts[..., -1:] - counts[..., ::-1] for counts in (ranks.total, ranks.positive))
    return Ranking(-ranks.score[::-1], total, total - positive)


def auroc(ranks: Ranking) -> float | np.ndarray:
    r"""Area under the ROC curve, :math:`P(s_+ > s_-) + \frac{1}{2} P(s_+ = s_-)`; chance is 0.5.

    NaN without positives or without negatives. Exchanging both (:func:`swap`) leaves it as it is. Hanley & McNeil,
    https://doi.org/10.1148/radiology.143.1.7063747.

    >>> auroc(rank_samples([0.1, 0.2, 0.2, 0.9], [0, 0, 1, 1]))
    0.875
    """
    negative = ranks.total - ranks.positive
    found = np.diff(ranks.positive, axis=-1)
    area = (found * (negative[..., 1:] + negative[..., :-1])).sum(-1) / 2
    return plain(divide(area, ranks.positive[..., -1] * negative[..., -1]))


def average_precision(ranks: Ranking) -> float | np.ndarray:
    r"""Area under the precision-recall curve, :math:`\sum_g (R_g - R_{g-1}) P_g` from the highest score down.

    Without interpolation, as scikit-learn's ``average_precision_score``. Chance is the share of positives. NaN without
    positives, 1 without negatives.

    >>> round(average_precision(rank_samples([0.1, 0.2, 0.2, 0.9], [0, 0, 1, 1])), 4)
    0.8333
    """
    found, total = (counts[..., -1:] - counts[..., :-1] for counts in (ranks.positive, ranks.total))
    terms = divide(found, total, otherwise=0)
    terms *= np.diff(ranks.positive, axis=-1)
    return plain(divide(terms.sum(-1), ranks.positive[..., -1]))


def fpr_at_tpr(ranks: Ranking, tpr: float = 0.95) -> float | np.ndarray:
    """Share of negatives above the highest threshold that finds ``tpr`` of the positives; 0 is best.

    No interpolation. NaN without positives or without negatives. The common "FPR95" of misclassification is that of
    ``swap(rank_samples(uncertainty, wrong))``: of the wrong answers, how many are accepted where 95 % of the right ones
    are (Corbiere et al., Addressing failure prediction, https://arxiv.org/abs/1910.04851).

    >>> fpr_at_tpr(rank_samples([0.1, 0.4, 0.3, 0.9], [0, 0, 1, 1]))
    0.5

    Raises:
        ValueError: If ``tpr`` lies outside (0, 1].
    """
    if not 0 < tpr <= 1:
        raise ValueError(f'tpr={tpr}: must be in (0, 1]')
    found, total = ranks.positive[..., -1:], ranks.total[..., -1:]
    missed = found * (1 - tpr) + 1e-9  # positives that may lie below the threshold
    below = search(ranks.positive, missed, side='right') - 1
    negative = total - found
    false = negative - np.take_along_axis(ranks.total, below, -1) + np.take_along_axis(ranks.positive, below, -1)
    return plain(np.where(found > 0, divide(false, negative), np.nan)[..., 0])


def ood_ranking(inside: ArrayLike, outside: ArrayLike) -> Ranking:
    """Ranking of uncertainties on two data sets; positives are those of the out-of-distribution one.

    Hendrycks & Gimpel, https://arxiv.org/abs/1610.02136.

    >>> auroc(ood_ranking([0.1, 0.2], [0.2, 0.7, 0.9]))
    0.9166666666666666
    """
    inside, outside = as_values(inside, 'inside'), as_values(outside, 'outside')
    return rank_samples(np.concatenate([inside, outside]), np.repeat([0, 1], [len(inside), len(outside)]))
