r"""Votes of several people on a face, and how well a predicted distribution fits them.

Legend: N faces, K classes, S samples. Votes n (N, K) are whole numbers from 0 on, with at least one vote for each face;
v (N,) are their sums. ``samples`` p (N, S, K) are samples of the class probabilities of each face, such as those of
:func:`mmfer.structures.predictive.probability_samples`; a single prediction is S = 1. The votes for one face share the
same p. So several votes together show whether the spread of p is right, which single votes cannot.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mmfer.structures.votes import central_interval, count_probabilities, vote_interval

from ._arrays import FLOOR, _listed, as_scores, divide
from .correlation import entropy

__all__ = [
    'as_samples',
    'as_votes',
    'central_interval',
    'count_probabilities',
    'dirichlet_multinomial_nll',
    'disagreement',
    'joint_nll',
    'predicted_disagreement',
    'uncertainty_parts',
    'vote_entropy',
    'vote_interval',
]


def as_votes(votes: ArrayLike, num_classes: int | None = None) -> np.ndarray:
    """Votes as int64 (N, K).

    Raises:
        ValueError: If their shape is another, or they are negative, not whole, or all zero for a face.

    >>> as_votes([[7.0, 3.0]]).tolist()
    [[7, 3]]
    """
    array = np.asarray(votes, np.float64)
    if array.ndim != 2 or num_classes not in (None, array.shape[1]):
        raise ValueError(f'votes must have shape (N, {num_classes or "K"}), not {array.shape}')
    for bad, what in (
        ((~np.isfinite(array) | (array != np.floor(array))).any(1), 'not whole'),
        ((array < 0).any(1), 'negative'),
        (array.sum(1) == 0, 'all zero'),
    ):
        if bad.any():
            raise ValueError(f'votes: {what} in {_listed(bad)}; give how many people chose each class')
    return array.astype(np.int64)


def as_samples(samples: ArrayLike) -> np.ndarray:
    """Samples of class probabilities (N, S, K), each of which must sum to one; the error of rounding is divided out.

    >>> as_samples([[[0.25, 0.75], [0.5, 0.5]]]).shape
    (1, 2, 2)
    """
    array = np.asarray(samples, np.float64)
    if array.ndim != 3 or not array.shape[1]:
        raise ValueError(f'samples must have shape (N, S, K), not {array.shape}')
    total = array @ np.ones(array.shape[2])
    if array.size and array.min() >= 0 and np.abs(total - 1).max() <= 1e-3:
        return array / total[..., None]
    return as_scores(array.reshape(-1, array.shape[2]), 'samples').reshape(array.shape)  # which says what is wrong


def joint_nll(samples: ArrayLike, votes: ArrayLike) -> np.ndarray:
    r"""Negative log-likelihood of all votes of a face together, in nats: (N,).

    .. math:: -\log \frac{1}{S} \sum_s \prod_k p_{sk}^{n_k}

    The votes count in the order in which they were given: the multinomial coefficient, which no prediction changes, is
    **not** in it. So for S = 1 it is the sum of the votes' own negative log-likelihoods, and the mean of the samples,
    ``joint_nll(samples.mean(1, keepdims=True), votes)``, gives what the votes would cost one by one. Probabilities
    have a floor (see ``nll``). With few samples the mean of the likelihoods is uncertain, and the result
    too high on average, by half its relative variance.

    >>> joint_nll([[[0.5, 0.5]], [[0.8, 0.2]]], [[1, 1], [2, 0]]).round(4).tolist()
    [1.3863, 0.4463]
    >>> joint_nll([[[1.0, 0.0], [0.0, 1.0]]], [[10, 0]]).round(4).tolist()
    [0.6931]
    """
    p = as_samples(samples)
    n = as_votes(votes, p.shape[2])
    if len(n) != len(p):
        raise ValueError(f'votes of {len(n)} faces with samples of {len(p)}')
    logs = np.einsum('nsk,nk->ns', np.log(np.maximum(p, FLOOR)), n.astype(np.float64))
    largest = logs.max(1, keepdims=True)
    return 0.0 - (largest[:, 0] + np.log(np.exp(logs - largest).mean(1)))


def dirichlet_multinomial_nll(concentration: ArrayLike, votes: ArrayLike) -> np.ndarray:
    r""":func:`joint_nll` where p follows a Dirichlet distribution, in closed form: (N,) nats.

    .. math:: -\log \frac{\prod_k \alpha_k (\alpha_k + 1) \cdots (\alpha_k + n_k - 1)}{A (A + 1) \cdots (A + v - 1)},
        \quad A = \sum_k \alpha_k

    Again without the multinomial coefficient. Minka, Estimating a Dirichlet distribution, 2000. Products in place of
    gamma functions keep their digits where :math:`\alpha` is large.

    Args:
        concentration: :math:`\alpha` (N, K), above 0.
        votes: (N, K).

    >>> dirichlet_multinomial_nll([[1.0, 1.0]], [[1, 1]]).round(4).tolist()
    [1.7918]
    """
    alpha = np.asarray(concentration, np.float64)
    n = as_votes(votes)
    if alpha.shape != n.shape:
        raise ValueError(f'concentration {alpha.shape} and votes {n.shape} must have the same shape')
    bad = ~(np.isfinite(alpha) & (alpha > 0)).all(1)
    if bad.any():
        raise ValueError(f'concentration is not finite and above 0 in {_listed(bad)}')

    def rising(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
        steps = np.arange(counts.max())
        return np.where(steps < counts[..., None], np.log(values[..., None] + steps), 0).sum(-1)

    return rising(alpha.sum(1), n.sum(1)) - rising(alpha, n).sum(1)


def vote_entropy(votes: ArrayLike) -> np.ndarray:
    r"""Entropy of the vote shares (N,), in nats.

    Few votes understate how ambiguous a face is: the entropy of v votes is on average about :math:`(m - 1) / 2v` below
    that of the population, where m is the number of classes that people choose (Miller, Note on the bias of information
    estimates, 1955).

    >>> vote_entropy([[5, 5], [9, 1]]).round(4).tolist()
    [0.6931, 0.3251]
    """
    return entropy(as_votes(votes))


def uncertainty_parts(samples: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    r"""Total, aleatoric and epistemic uncertainty in nats, and the width of the probabilities: four times (N,).

    They are :math:`H(\bar p)`, :math:`\frac{1}{S} \sum_s H(p_s)`, their difference, and
    :math:`\sqrt{\frac{1}{K} \sum_k \operatorname{Var}_s p_{sk}}`. The last two are exactly 0 without spread.

    >>> [part.round(4).tolist() for part in uncertainty_parts([[[1.0, 0.0], [0.0, 1.0]]])]
    [[0.6931], [0.0], [0.6931], [0.5]]
    """
    p = as_samples(samples)
    total = entropy(p.mean(1))
    aleatoric = -np.einsum('nsk,nsk->n', p, np.log(np.where(p > 0, p, 1))) / p.shape[1] + 0.0
    spread = np.sqrt(p.var(1).mean(1))
    # sums in another order differ in the last digits, which would be ranked as if they meant something
    epistemic, spread = (np.where(part > 1e-12, part, 0) for part in (total - aleatoric, spread))
    return total, aleatoric, epistemic, spread


def disagreement(votes: ArrayLike) -> np.ndarray:
    r"""Share of the pairs of people that disagree on a face, :math:`1 - \sum_k n_k (n_k - 1) / (v (v - 1))`: (N,).

    It is unbiased even for few votes: its expectation is the probability that two people disagree. NaN for a single
    vote.

    >>> disagreement([[1, 1], [4, 0], [1, 0]]).tolist()
    [1.0, 0.0, nan]
    """
    n = as_votes(votes)
    people = n.sum(1)
    return 1 - divide((n * (n - 1)).sum(1), people * (people - 1))


def predicted_disagreement(samples: ArrayLike) -> np.ndarray:
    r"""Probability that two people disagree on a face, :math:`1 - \frac{1}{S} \sum_s \sum_k p_{sk}^2`: (N,).

    >>> predicted_disagreement([[[1.0, 0.0], [0.0, 1.0]], [[0.5, 0.5], [0.5, 0.5]]]).tolist()
    [0.0, 0.5]
    """
    p = as_samples(samples)
    return 1 - np.einsum('nsk,nsk->n', p, p) / p.shape[1]
