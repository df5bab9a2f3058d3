r"""Distances of predicted distributions from true ones or from annotator votes, for each sample.

Legend: N samples, K classes; truth d (N, K), prediction p (N, K); every result is (N,). The truth may be votes or soft
labels of any sum and is divided by it: where a soft label sums to less than one (votes for "unknown"), the missing part
is left out. A row of zeros, negative or not finite entries are an error. Predictions must sum to one, as in
``calibration``. The six measures of label distribution learning are those of Geng, Label distribution learning,
https://arxiv.org/abs/1408.6027.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ._arrays import FLOOR, as_distributions, as_scores


def _pair(truth: ArrayLike, pred: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    truth, pred = as_distributions(truth, 'truth'), as_scores(pred, 'pred')
    if truth.shape != pred.shape:
        raise ValueError(f'truth {truth.shape} and pred {pred.shape} must have the same shape')
    return truth, pred


def _kl(p: np.ndarray, q: np.ndarray, floor: float) -> np.ndarray:
    positive = p > 0
    ratio = np.where(positive, p, 1) / np.where(positive, np.maximum(q, floor), 1)
    return (p * np.log(ratio)).sum(1)


def kl_divergence(truth: ArrayLike, pred: ArrayLike) -> np.ndarray:
    r"""Kullback-Leibler divergence of the truth from the prediction, :math:`\sum_k d_k \ln(d_k / p_k)`, in nats.

    0 is best. Terms without truth count 0; predictions have a floor (see ``nll``), so that it stays finite.

    >>> kl_divergence([[0.5, 0.5], [2, 0]], [[0.5, 0.5], [0.25, 0.75]]).round(4).tolist()
    [0.0, 1.3863]
    """
    return _kl(*_pair(truth, pred), FLOOR)


def jensen_shannon(truth: ArrayLike, pred: ArrayLike) -> np.ndarray:
    r"""Jensen-Shannon divergence :math:`\frac{1}{2} KL(d \| m) + \frac{1}{2} KL(p \| m)`, m their mean, in nats.

    From 0 (best) to ln 2, symmetric. It is the divergence, whose square root is the distance. Lin,
    https://doi.org/10.1109/18.61115.

    >>> jensen_shannon([[1, 0], [1, 0]], [[1, 0], [0, 1]]).round(4).tolist()
    [0.0, 0.6931]
    """
    truth, pred = _pair(truth, pred)
    middle = (truth + pred) / 2
    return np.maximum(_kl(truth, middle, 0) + _kl(pred, middle, 0), 0) / 2


def chebyshev(truth: ArrayLike, pred: ArrayLike) -> np.ndarray:
    r"""Chebyshev distance :math:`\max_k |d_k - p_k|`, from 0 (best) to 1.

    >>> chebyshev([[0.5, 0.5]], [[0.75, 0.25]]).tolist()
    [0.25]
    """
    truth, pred = _pair(truth, pred)
    return np.abs(truth - pred).max(1)


def _relative(truth: np.ndarray, pred: np.ndarray) -> np.ndarray:
    both = truth + pred
    return np.divide(np.abs(truth - pred), both, out=np.zeros_like(both), where=both > 0)


def clark(truth: ArrayLike, pred: ArrayLike) -> np.ndarray:
    r"""Clark distance :math:`\sqrt{\sum_k (d_k - p_k)^2 / (d_k + p_k)^2}`, from 0 (best) to :math:`\sqrt{K}`.

    Classes without truth and prediction count 0. Small parts weigh as much as large ones.

    >>> clark([[0.5, 0.5, 0]], [[1, 0, 0]]).round(4).tolist()
    [1.0541]
    """
    return np.sqrt(np.square(_relative(*_pair(truth, pred))).sum(1))


def canberra(truth: ArrayLike, pred: ArrayLike) -> np.ndarray:
    r"""Canberra distance :math:`\sum_k |d_k - p_k| / (d_k + p_k)`, from 0 (best) to K.

    Classes without truth and prediction count 0.

    >>> canberra([[0.5, 0.5, 0]], [[1, 0, 0]]).round(4).tolist()
    [1.3333]
    """
    return _relative(*_pair(truth, pred)).sum(1)


def cosine(truth: ArrayLike, pred: ArrayLike) -> np.ndarray:
    r"""Cosine similarity :math:`d \cdot p / (\|d\| \|p\|)`, from 0 to 1 (best).

    >>> cosine([[1, 0], [1, 1]], [[0, 1], [0.5, 0.5]]).round(4).tolist()
    [0.0, 1.0]
    """
    truth, pred = _pair(truth, pred)
    return (truth * pred).sum(1) / (np.linalg.norm(truth, axis=1) * np.linalg.norm(pred, axis=1))


def intersection(truth: ArrayLike, pred: ArrayLike) -> np.ndarray:
    r"""Intersection similarity :math:`\sum_k \min(d_k, p_k)`, from 0 to 1 (best); 1 minus the total variation.

    >>> intersection([[0.5, 0.5]], [[0.75, 0.25]]).tolist()
    [0.75]
    """
    return np.minimum(*_pair(truth, pred)).sum(1)
