"""Turns the fields of a prediction into a distribution over the class probabilities of a face."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np


def probability_samples(prediction: Mapping[str, Any], count: int = 512) -> np.ndarray:
    r"""Samples (S, K) of the class probabilities of a face, float64, all with the same weight.

    They are made from the first of these fields that the prediction has:

    - ``pred_concentration`` :math:`\alpha` (K,): draws of the Dirichlet distribution;
    - ``pred_samples`` (M, K), such as the members of an ensemble: these samples, so S is M;
    - ``pred_mean`` :math:`\mu`, ``pred_std`` :math:`\sigma` (K,) and, for correlated logits, ``pred_factor`` F
      (K, R): the softmax of :math:`\mu + d \odot \epsilon + F h` with standard normal :math:`\epsilon, h` and
      :math:`d_k^2 = \sigma_k^2 - \sum_r F_{kr}^2`, at :func:`normal_points`;
    - ``pred_score`` (K,): this single point, so S is 1.

    A calibration of ``pred_score`` is not applied: it is about the probability of the one label of a face, and not
    about the shares of the people who choose each expression. Fields of N faces, with a leading axis N, give
    (N, S, K). The samples of a face do not depend on the other faces.

    Args:
        prediction: The fields, as arrays or lists.
        count: S of a Dirichlet or a Gaussian distribution.

    Raises:
        ValueError: If none of the fields is there, or a number of a distribution is out of range.

    >>> probability_samples(dict(pred_mean=[1.0, 0.0], pred_std=[0.5, 0.5]), 64).shape
    (64, 2)
    >>> probability_samples(dict(pred_score=[0.75, 0.25])).tolist()
    [[0.75, 0.25]]
    """
    fields = {name: np.asarray(value, np.float64) for name, value in prediction.items() if name in FIELDS}
    if count < 2:
        raise ValueError(f'count={count}: a distribution needs two samples or more')
    if 'pred_concentration' in fields:
        return _dirichlet(fields['pred_concentration'], count)
    if 'pred_samples' in fields:
        return fields['pred_samples']
    if 'pred_mean' in fields and 'pred_std' in fields:
        return _gaussian(fields['pred_mean'], fields['pred_std'], fields.get('pred_factor'), count)
    if 'pred_score' in fields:
        return fields['pred_score'][..., None, :]
    raise ValueError(f'a prediction with {", ".join(prediction) or "no fields"} has none of {", ".join(FIELDS)}')


FIELDS = ('pred_concentration', 'pred_samples', 'pred_mean', 'pred_std', 'pred_factor', 'pred_score')
"""What :func:`probability_samples` reads."""


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def _gaussian(mean: np.ndarray, std: np.ndarray, factor: np.ndarray | None, count: int) -> np.ndarray:
    if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std >= 0).all()):
        raise ValueError('pred_mean must be finite, pred_std finite and not negative')
    classes, rank = mean.shape[-1], 0 if factor is None else factor.shape[-1]
    points = normal_points(count, classes + rank)
    if factor is not None:
        std = np.sqrt(np.maximum(np.square(std) - np.square(factor).sum(-1), 0))
    logits = mean[..., None, :] + std[..., None, :] * points[:, :classes]
    if factor is not None:
        logits = logits + points[:, classes:] @ np.swapaxes(factor, -1, -2)
    return softmax(logits)


def _dirichlet(concentration: np.ndarray, count: int) -> np.ndarray:
    """Draws by gamma variables, in logarithms: those of small shape underflow."""
    if not (np.isfinite(concentration).all() and (concentration > 0).all()):
        raise ValueError('pred_concentration must be finite and above 0')
    classes = concentration.shape[-1]
    rows = concentration.reshape(-1, classes)
    samples = np.empty((len(rows), count, classes))
    for row, alpha in enumerate(rows):
        rng = np.random.default_rng(0)
        # a gamma variable of shape a is one of shape a + 1 times a uniform one to the power of 1 / a
        logs = np.log(rng.standard_gamma(alpha + 1, (count, classes)))
        samples[row] = softmax(logs + np.log1p(-rng.random((count, classes))) / alpha)
    return samples.reshape(*concentration.shape[:-1], count, classes)


@lru_cache(16)
def normal_points(count: int, dims: int) -> np.ndarray:
    """Points (count, dims) that represent a standard normal distribution, with exact mean 0 and covariance I.

    They are a Kronecker sequence by powers of the generalised golden ratio (Roberts' R sequence), mapped by the normal
    quantiles, with the opposite of each point, and whitened. Each call returns the same read-only array.

    Raises:
        ValueError: If there are too few points for a covariance of full rank.
    """
    half = (count + 1) // 2
    if half < dims:
        raise ValueError(f'{count} points cannot have a covariance of {dims} dimensions: take {2 * dims} or more')
    root = 2.0
    for _ in range(60):  # the root of x ** (dims + 1) = x + 1
        root = (1 + root) ** (1 / (dims + 1))
    steps = root ** -np.arange(1, dims + 1)
    uniform = (0.5 + np.arange(1, half + 1)[:, None] * steps) % 1
    quantile = NormalDist().inv_cdf
    points = np.array([[quantile(u) for u in row] for row in np.clip(uniform, 1e-9, 1 - 1e-9).tolist()])
    points = np.concatenate((points, -points))[:count] if count % 2 == 0 else _odd(points, count)
    points = whitened(points)
    points.flags.writeable = False
    return points


def whitened(points: np.ndarray) -> np.ndarray:
    """Whiten points (N, D) of mean 0: a linear map gives them the covariance I."""
    values, vectors = np.linalg.eigh(points.T @ points / len(points))
    return points @ (vectors / np.sqrt(values)) @ vectors.T


def _odd(points: np.ndarray, count: int) -> np.ndarray:
    """Opposites and the origin."""
    kept = points[: count // 2]
    return np.concatenate((kept, -kept, np.zeros((1, points.shape[1]))))
