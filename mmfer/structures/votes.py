"""Predicts how many of several people would choose each class, if the class probabilities of the face are uncertain."""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import ArrayLike

CHUNK = 4  # faces at a time: their powers stay in the cache


def count_probabilities(samples: ArrayLike, people: int) -> np.ndarray:
    r"""Probability that n of v people choose a class: a mixture of binomials over the samples of its probability.

    .. math:: P(n) = \frac{1}{S} \sum_s \binom{v}{n} p_s^n (1 - p_s)^{v - n}

    The people see the same face, so they share p. If p is uncertain, n varies more than a binomial.

    Args:
        samples: (..., S, K) equally likely class probabilities, such as those of
            :func:`~mmfer.structures.predictive.probability_samples`.
        people: v, 1 or more.

    Returns:
        (..., K, v + 1), for n = 0 to v.

    >>> count_probabilities([[1.0, 0.0], [0.5, 0.5]], 2).tolist()
    [[0.125, 0.25, 0.625], [0.625, 0.25, 0.125]]
    """
    samples = np.asarray(samples, np.float64)
    if people != int(people) or people < 1:
        raise ValueError(f'people={people}: the number of people is whole, 1 or more')
    if samples.ndim < 2 or not samples.size:
        raise ValueError(f'samples must have shape (..., S, K), not {samples.shape}')
    if not (samples.min() >= 0 and samples.max() <= 1 + 1e-6):
        raise ValueError('samples must be probabilities from 0 to 1: apply a softmax first')
    people = int(people)
    faces = samples.reshape(-1, *samples.shape[-2:])
    found = np.empty((len(faces), faces.shape[-1], people + 1))
    for start in range(0, len(faces), CHUNK):
        p = np.ascontiguousarray(np.swapaxes(faces[start : start + CHUNK], 1, 2))
        others = [np.ones_like(p)]  # powers of 1 - p
        rest = np.maximum(1 - p, 0)
        for _ in range(people):
            others.append(others[-1] * rest)
        power = np.ones_like(p)
        for n in range(people + 1):
            if n:
                power *= p
            found[start : start + CHUNK, :, n] = comb(people, n) * np.einsum('nks,nks->nk', power, others[people - n])
    found /= faces.shape[1]
    return found.reshape(*samples.shape[:-2], *found.shape[1:])


def central_interval(probabilities: ArrayLike, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    """Smallest interval of a count with a probability of at most (1 - level) / 2 beyond each end.

    Args:
        probabilities: (..., V) of n = 0 to V - 1.
        level: What the interval holds at least; mostly it is more, as counts are whole.

    Returns:
        Lowest and highest count, int64 (...) each, both within the interval.

    >>> low, high = central_interval([0.02, 0.08, 0.5, 0.36, 0.04])
    >>> int(low), int(high)
    (1, 3)
    """
    if not 0 < level < 1:
        raise ValueError(f'level={level} of an interval must lie between 0 and 1')
    probabilities = np.asarray(probabilities, np.float64)
    tail = (1 - level) / 2 + 1e-12  # a tail that is exactly as probable lies beyond the end, however it was rounded
    below = (probabilities.cumsum(-1) <= tail).sum(-1)
    above = (probabilities[..., ::-1].cumsum(-1) <= tail).sum(-1)
    return below, probabilities.shape[-1] - 1 - above


def vote_interval(samples: ArrayLike, people: int = 10, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    """Interval of how many of several people would choose each class: "of ten people, 5 to 8 would say happiness".

    This is the central predictive interval of the count of each class, by the exact mixture of binomials. It includes
    the uncertainty of the model about the face, and the random choice of the people.

    Args:
        samples: (..., S, K) equally likely class probabilities.
        people: How many are asked.
        level: Probability that the interval holds at least.

    Returns:
        Lowest and highest count, int64 (..., K) each.

    >>> low, high = vote_interval([[0.9, 0.1], [0.5, 0.5]])
    >>> low.tolist(), high.tolist()
    ([3, 0], [10, 7])
    """
    return central_interval(count_probabilities(samples, people), level)
