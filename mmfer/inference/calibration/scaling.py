r"""Fitting temperature and vector scaling: convex problems, solved in double precision by Newton's method.

Legend: N images, K classes. ``scores`` (N, K) are predicted probabilities, ``target`` (N,) labels. Fitted is the mean
negative log-likelihood of the labels (nats) under :math:`softmax(w \odot \log p + b)`, see
``mmfer.models.heads.calibration``. Results depend on nothing but the numbers given.
"""

from __future__ import annotations

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


def _softmax(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and the logarithms of the sums of exponentials (N,)."""
    top = logits.max(1, keepdims=True)
    powers = np.exp(logits - top)
    total = powers.sum(1, keepdims=True)
    return powers / total, (top + np.log(total))[:, 0]


def fit_temperature(scores: ArrayLike, target: ArrayLike) -> float:
    """Temperature T > 0 with the least negative log-likelihood.

    Raises:
        ValueError: If there is none: all answers are right, so certainty (T = 0) would be best; or they are no better
            than chance, so no answer (T infinite) would be.
    """
    logs, target = _logs(scores, target)
    own = logs[np.arange(len(target)), target]

    def slopes(weight: float) -> tuple[float, float]:
        probs, _ = _softmax(weight * logs)
        mean = (probs * logs).sum(1)
        return float((mean - own).mean()), float((probs * np.square(logs - mean[:, None])).sum(1).mean())

    low, high, weight = 0.0, 1.0, 1.0
    if slopes(low)[0] >= -1e-12:  # rounding
        raise ValueError(
            f'the scores say nothing about the labels of these {len(target)} images, so there is no best temperature. '
            'Do model and data belong together?'
        )
    if (own == logs.max(1)).all():
        raise ValueError(
            f'all {len(target)} answers are right, so there is no best temperature: it would be 0, absolute certainty. '
            'Fit on more images'
        )
    while slopes(high)[0] < 0:
        low, high = high, 2 * high
    for _ in range(STEPS):
        slope, curvature = slopes(weight)
        if abs(slope) < TOLERANCE or high - low < 1e-14 * high:
            return 1 / weight
        low, high = (weight, high) if slope < 0 else (low, weight)
        weight = weight - slope / curvature if curvature > 0 else low
        if not low < weight < high:
            weight = (low + high) / 2
    raise ArithmeticError(f'temperature not found: slope {slope:.3g} at {1 / weight:.6g}')


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
        raise ValueError(f'vector scaling needs images of all classes, there are none of class {_listed(absent)}')
    rows = np.arange(number)
    centre = np.concatenate([np.full(classes, start), np.zeros(classes)])
    point, diagonal = centre.copy(), np.arange(classes)

    def objective(point: np.ndarray) -> tuple[float, np.ndarray]:
        logits = point[:classes] * logs + point[classes:]
        probs, total = _softmax(logits)
        penalty = ridge / (2 * number) * np.square(point - centre).sum()
        return float((total - logits[rows, target]).mean() + penalty), probs

    value, probs = objective(point)
    for _ in range(STEPS):
        error = probs.copy()
        error[rows, target] -= 1
        gradient = np.concatenate([(error * logs).mean(0), error.mean(0)]) + ridge / number * (point - centre)
        if np.abs(gradient).max() < TOLERANCE:
            return point[:classes], point[classes:]
        # probabilities are softmax, so the curvature is diag(q) - q q' in the space of the logits
        joint = np.concatenate([probs * logs, probs], axis=1)
        hessian = -joint.T @ joint / number
        hessian[diagonal, diagonal] += (probs * logs**2).mean(0)
        hessian[diagonal, diagonal + classes] += (probs * logs).mean(0)
        hessian[diagonal + classes, diagonal] += (probs * logs).mean(0)
        hessian[diagonal + classes, diagonal + classes] += probs.mean(0)
        hessian[np.diag_indices(2 * classes)] += ridge / number
        step = -np.linalg.solve(hessian, gradient)
        size, expected = 1.0, gradient @ step
        while True:
            trial, trial_probs = objective(point + size * step)
            # near the solution the decrease is lost in rounding, and whole steps are right
            if trial <= value + 0.25 * size * expected + 1e-14 * (1 + abs(value)):
                break
            size /= 2
        point, value, probs = point + size * step, trial, trial_probs
    raise ArithmeticError(f'vector scaling not found: largest slope {np.abs(gradient).max():.3g}')


def _listed(indices: np.ndarray) -> str:
    return ', '.join(map(str, indices))
