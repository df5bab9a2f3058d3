r"""Fitting temperature and vector scaling: convex problems, solved in double precision by Newton's method.

Legend: N images, K classes. ``scores`` (N, K) are predicted probabilities, ``target`` (N,) labels. Fitted is the mean
negative log-likelihood of the labels (nats) under :math:`softmax(w \odot \log p + b)`, see
``mmfer.models.heads.calibration``. Results depend on nothing but the numbers given.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from mmfer.evaluation.functional._arrays import as_labels, as_scores
from mmfer.models.heads.calibration import FLOOR

TOLERANCE = 1e-10  # of the largest entry of the gradient
STEPS = 200


def _logs(scores: ArrayLike, target: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    scores = as_scores(scores)
    if not len(scores):
        raise ValueError('a calibration cannot be fitted to no images')
    return np.log(np.maximum(scores, FLOOR)), as_labels(target, *scores.shape)


def _likelihood(logs: np.ndarray, target: np.ndarray, point: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean negative log-likelihood at ``point`` = (w, b) of 2 K numbers, its gradient (2 K,) and Hessian (2 K, 2 K)."""
    number, classes = logs.shape
    rows = np.arange(number)
    logits = point[:classes] * logs + point[classes:]
    logits -= logits.max(1, keepdims=True)
    powers = np.exp(logits)
    total = powers.sum(1, keepdims=True)
    probs = powers / total
    value = float((np.log(total[:, 0]) - logits[rows, target]).mean())
    error = probs.copy()
    error[rows, target] -= 1
    gradient = np.concatenate([(error * logs).mean(0), error.mean(0)])
    # in the space of the logits the Hessian of an image is diag(p) - p p', and its logits change by (log p, 1)
    inner = probs[:, :, None] * (np.eye(classes) - probs[:, None, :]) / number
    mixed = np.einsum('nij,ni->ij', inner, logs)
    hessian = np.block([[np.einsum('nij,ni,nj->ij', inner, logs, logs), mixed], [mixed.T, inner.sum(0)]])
    return value, gradient, hessian


def _minimise(objective: Callable, point: np.ndarray) -> np.ndarray:
    """Where a convex function, which gives its value, gradient and Hessian, is least: Newton's steps, halved."""
    value, gradient, hessian = objective(point)
    for _ in range(STEPS):
        if np.abs(gradient).max() < TOLERANCE:
            return point
        step = -np.linalg.solve(hessian, gradient)
        size, expected = 1.0, gradient @ step
        while True:
            trial = objective(point + size * step)
            # near the solution the decrease is lost in rounding, and whole steps are right
            if trial[0] <= value + 0.25 * size * expected + 1e-14 * (1 + abs(value)):
                break
            size /= 2
        point = point + size * step
        value, gradient, hessian = trial
    raise ArithmeticError(f'the likelihood has no minimum: largest slope {np.abs(gradient).max():.3g}')


def fit_temperature(scores: ArrayLike, target: ArrayLike) -> float:
    """Temperature T > 0 with the least negative log-likelihood.

    Raises:
        ValueError: If there is none: all answers are right, so certainty (T = 0) would be best; or they are no better
            than chance, so no answer (T infinite) would be.
    """
    logs, target = _logs(scores, target)
    own = logs[np.arange(len(target)), target]
    if (own - logs.mean(1)).mean() <= 1e-12:  # rounding
        raise ValueError(
            f'the scores say nothing about the labels of these {len(target)} images, so there is no best temperature. '
            'Do model and data belong together?'
        )
    if (own == logs.max(1)).all():
        raise ValueError(
            f'all {len(target)} answers are right, so there is no best temperature: it would be 0, absolute certainty. '
            'Fit on more images'
        )
    shared = np.repeat([1.0, 0.0], logs.shape[1])  # one weight for all classes, no bias

    def objective(weight: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        value, gradient, hessian = _likelihood(logs, target, weight * shared)
        return value, np.array([gradient @ shared]), np.array([[shared @ hessian @ shared]])

    return 1 / float(_minimise(objective, np.zeros(1))[0])


def fit_vector(scores: ArrayLike, target: ArrayLike, ridge: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    r"""Weights w and biases b, (K,) each, of vector scaling.

    Minimised is the likelihood with a ridge that draws towards temperature scaling,

    .. math::
        NLL(w, b) + \frac{\lambda}{2 N} \left( \lVert w - 1 / T \rVert^2 + \lVert b \rVert^2 \right)

    which makes the solution unique (the likelihood is the same for :math:`b + c`), and finite for rare classes. With
    :math:`\lambda = 1` it is a standard normal prior around T, which fades with the number of images. The likelihood of
    the images is never worse than with the temperature alone.

    Args:
        scores: (N, K).
        target: (N,).
        ridge: :math:`\lambda`, above 0.

    Raises:
        ValueError: If a class has no image, since it would be learned that there is no such expression; or as
            :func:`fit_temperature`.
    """
    if not ridge > 0:
        raise ValueError(f'ridge={ridge}: must be above 0')
    start = 1 / fit_temperature(scores, target)
    logs, target = _logs(scores, target)
    number, classes = logs.shape
    absent = np.flatnonzero(np.bincount(target, minlength=classes) == 0)
    if len(absent):
        names = ', '.join(map(str, absent))
        raise ValueError(f'vector scaling needs images of all classes, there are none of class {names}')
    centre = np.concatenate([np.full(classes, start), np.zeros(classes)])

    def objective(point: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        value, gradient, hessian = _likelihood(logs, target, point)
        far = ridge / number * (point - centre)
        return value + 0.5 * far @ (point - centre), gradient + far, hessian + ridge / number * np.eye(2 * classes)

    weight, bias = np.split(_minimise(objective, centre), 2)
    return weight, bias
