r"""How well one half of the people predicts the other half: the noise ceiling of predictions of votes.

Legend: N faces, K classes; votes n (N, K), of which each face needs two or more where it is split.
"""

from __future__ import annotations

import numpy as np
import scipy  # whose parts are imported when they are used
from numpy.typing import ArrayLike

from ._arrays import as_distributions, as_scores
from .correlation import entropy
from .divergence import jensen_shannon
from .votes import as_votes, dirichlet_multinomial_nll, joint_nll


def split_votes(votes: ArrayLike, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Split the votes of each face at random into halves, int64 (N, K) each; of an odd number the second has one more.

    >>> first, second = split_votes([[6, 3, 1], [1, 0, 0]])
    >>> (first + second).tolist(), first.sum(1).tolist()
    ([[6, 3, 1], [1, 0, 0]], [5, 0])
    """
    n = as_votes(votes)
    rng = np.random.default_rng(seed)
    first = np.zeros_like(n)
    wanted = n.sum(1) // 2
    later = n.sum(1)
    for k, count in enumerate(n.T):
        later = later - count
        first[:, k] = rng.hypergeometric(count, later, wanted)
        wanted = wanted - first[:, k]
    return first, n - first


def half_posterior(half: ArrayLike) -> np.ndarray:
    r"""Prediction for other people from the votes of some: concentrations (N, K) of a Dirichlet distribution, n + c m.

    Its mean predicts another vote, and :func:`dirichlet_multinomial_nll` of it the other half. The prior is the same
    for all faces: m the vote shares of all faces together, c the value that makes these votes most likely. Held against
    the other half it is the noise ceiling, what a few people without a model know. A model may know more than a few.

    >>> half_posterior([[5, 0], [0, 5], [5, 0], [0, 5]]).round(1).tolist()
    [[5.0, 0.0], [0.0, 5.0], [5.0, 0.0], [0.0, 5.0]]
    """
    n = as_votes(half)
    share = as_distributions(n.sum(0, keepdims=True) + 1e-3, 'votes')  # a class that nobody chose stays possible
    best = scipy.optimize.minimize_scalar(
        lambda log: dirichlet_multinomial_nll(np.broadcast_to(np.exp(log) * share, n.shape), n).sum(),
        bounds=(np.log(1e-3), np.log(1e3)),
        method='bounded',
    )
    return n + np.exp(best.x) * share


def compare_halves(votes: ArrayLike, scores: ArrayLike, seed: int = 0) -> dict[str, np.ndarray]:
    """How well the first half of the votes of each face, and a prediction, predict the second half: (N,) each.

    Args:
        votes: (N, K), two or more a face.
        scores: (N, K) predicted probabilities.
        seed: Of :func:`split_votes`.

    Returns:
        ``people``, the votes of the second half; their negative log-likelihood in nats, each vote on its own, by the
        first half (``nll``, see :func:`half_posterior`) and by the prediction (``nll_model``); the Jensen-Shannon
        divergence of their shares, ``js`` and ``js_model``; ``entropy`` of the first half and ``entropy_other``.

    >>> found = compare_halves([[5, 5], [10, 0]], [[0.5, 0.5], [1.0, 0.0]])
    >>> found['people'].tolist(), found['js_model'].round(2).tolist(), found['nll_model'].round(2).tolist()
    ([5, 5], [0.01, 0.0], [3.47, 0.0])
    """
    p = as_scores(scores)
    first, second = split_votes(votes, seed)
    posterior = half_posterior(first)
    posterior /= posterior.sum(1, keepdims=True)
    found = dict(people=second.sum(1), entropy=entropy(first), entropy_other=entropy(second))
    for name, told in (('', posterior), ('_model', p)):
        found[f'nll{name}'] = joint_nll(told[:, None], second)
        found[f'js{name}'] = jensen_shannon(second, told)
    return found
