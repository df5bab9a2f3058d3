r"""The quality of predicted probabilities: likelihood, Brier score and calibration errors.

Legend: N samples, K classes, M bins. ``scores`` (N, K) are probabilities, ``target`` (N,) labels. Scores that are not
finite, negative, or whose sum differs from 1 by more than 0.001 are an error; smaller differences are divided out.

Every function takes ``weights`` (..., N), how often each sample counts (whole numbers); its results then have the
leading axes. This is how bootstrap replicates are computed. Without samples the results are NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ._arrays import FLOOR, as_flags, as_labels, as_scores, as_values, as_weights, cumulate, divide, mean, plain, search


def top_label(scores: ArrayLike, target: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Highest score of each sample (N,), and whether its class (the first of equals) is right (N,).

    >>> confidence, correct = top_label([[0.75, 0.25], [0.5, 0.5]], [0, 1])
    >>> confidence.tolist(), correct.tolist()
    ([0.75, 0.5], [True, False])
    """
    scores = as_scores(scores)
    target = as_labels(target, *scores.shape)
    return scores.max(1), scores.argmax(1) == target


def nll(scores: ArrayLike, target: ArrayLike, weights: ArrayLike | None = None) -> float | np.ndarray:
    r"""Negative log-likelihood of the labels in nats, :math:`-\frac{1}{N} \sum_i \log p_{i, t_i}`; 0 is best.

    Scores count as at least the smallest normal float32, as the softmax gives zero near there: one wrong answer costs
    87.3 nats at most.

    >>> round(nll([[0.5, 0.5], [0.8, 0.2]], [0, 0]), 4)
    0.4581
    """
    scores = as_scores(scores)
    target = as_labels(target, *scores.shape)
    return mean(-np.log(np.maximum(scores[np.arange(len(target)), target], FLOOR)), weights)


def brier(scores: ArrayLike, target: ArrayLike, weights: ArrayLike | None = None) -> float | np.ndarray:
    r"""Brier score, :math:`\frac{1}{N} \sum_i \sum_k (p_{ik} - [t_i = k])^2`, from 0 (best) to 2.

    Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78, 1950. This is the
    original form for any number of classes; for two classes it is twice the form that reads one of the scores.

    >>> round(brier([[0.5, 0.5], [0.8, 0.2]], [0, 0]), 4)
    0.29
    """
    scores = as_scores(scores)
    target = as_labels(target, *scores.shape)
    difference = scores.copy()
    difference[np.arange(len(target)), target] -= 1
    return mean(np.square(difference).sum(1), weights)


def overconfidence(confidence: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None) -> float | np.ndarray:
    """Mean confidence minus accuracy, from -1 to 1; above 0 the model is overconfident.

    >>> round(overconfidence([0.9, 0.8, 0.7, 0.8], [1, 1, 0, 0]), 4)
    0.3
    """
    confidence = as_values(confidence, 'confidence')
    return mean(confidence - as_flags(correct, 'correct', len(confidence)), weights)


class CalibrationBins(NamedTuple):
    """The table behind a reliability diagram; empty bins have count 0 and NaN elsewhere (uniform bins keep edges).

    lower, upper: (..., M) bounds of the confidence. Uniform bins hold ``lower < confidence <= upper`` (the first also
    0), for adaptive bins they are the smallest and the largest confidence.
    count: (..., M) samples.
    confidence, accuracy: (..., M) means of the samples.
    """

    lower: np.ndarray
    upper: np.ndarray
    count: np.ndarray  # type: ignore[assignment] # tuple.count
    confidence: np.ndarray
    accuracy: np.ndarray


def calibration_bins(
    confidence: ArrayLike,
    correct: ArrayLike,
    num_bins: int = 15,
    adaptive: bool = False,
    weights: ArrayLike | None = None,
) -> CalibrationBins:
    """Group samples by their confidence (N,) and compare it with how often they are right.

    Uniform bins: bounds 0, 1/M, ..., 1, closed above, as Guo et al., On calibration of modern neural networks,
    https://arxiv.org/abs/1706.04599. Adaptive bins have equal mass (Nguyen & O'Connor, https://arxiv.org/abs/1508.05154):
    a sample goes into bin ``floor(M n / N)``, where n samples have a lower confidence. So samples of equal confidence
    stay together, the order of the samples does not matter, and without such ties the sizes differ by one at most.

    Raises:
        ValueError: If a confidence lies outside [0, 1] or is NaN, or there is less than one bin.

    >>> bins = calibration_bins([0.1, 0.6, 0.9, 0.9], [0, 1, 1, 0], num_bins=2)
    >>> bins.count.tolist(), bins.confidence.round(4).tolist(), bins.accuracy.round(4).tolist()
    ([1.0, 3.0], [0.1, 0.8], [0.0, 0.6667])
    >>> calibration_bins([0.1, 0.6, 0.9, 0.9], [0, 1, 1, 0], num_bins=2, adaptive=True).count.tolist()
    [2.0, 2.0]
    """
    confidence = as_values(confidence, 'confidence')
    correct = as_flags(correct, 'correct', len(confidence))
    weights = as_weights(weights, len(confidence))
    if num_bins < 1:
        raise ValueError(f'num_bins={num_bins}: at least one bin is needed')
    if len(confidence) and not (confidence.min() >= 0 and confidence.max() <= 1):
        raise ValueError(f'confidence is {confidence.min():.6g}..{confidence.max():.6g}, expected 0..1')
    order = np.argsort(confidence, kind='stable')
    ordered, weights = confidence[order], weights[..., order]
    columns = np.stack([np.ones_like(ordered), ordered, correct[order]], axis=1)
    if adaptive:
        starts = _equal_mass(ordered, weights, num_bins)
        sums = np.empty((*starts.shape[:-1], num_bins, 3))
        for row in np.ndindex(starts.shape[:-1]):
            for i, (a, b) in enumerate(zip(starts[row][:-1], starts[row][1:])):
                sums[row][i] = weights[row][a:b] @ columns[a:b]
        empty = starts[..., 1:] == starts[..., :-1]
        padded = np.append(ordered, np.nan)
        lower = np.where(empty, np.nan, padded[starts[..., :-1]])
        upper = np.where(empty, np.nan, padded[starts[..., 1:] - 1])
    else:
        edges = np.linspace(0, 1, num_bins + 1)
        lower, upper = edges[:-1], edges[1:]
        starts = np.concatenate([[0], np.searchsorted(ordered, edges[1:-1], side='right'), [len(ordered)]])
        spans = [slice(a, b) for a, b in zip(starts[:-1], starts[1:])]
        # one pass over the weights, which are many in a bootstrap
        sums = np.stack([weights[..., span] @ columns[span] for span in spans], axis=-2)
    count, confidence_sum, correct_sum = np.moveaxis(sums, -1, 0)
    return CalibrationBins(lower, upper, count, divide(confidence_sum, count), divide(correct_sum, count))


def _equal_mass(ordered: np.ndarray, weights: np.ndarray, num_bins: int) -> np.ndarray:
    """Where each bin starts in the ordered samples, and the end: (..., M + 1)."""
    before = cumulate(weights)
    # bin b starts with the first group of equal confidences that has ceil(b N / M) samples or more before it
    needed = -(-np.arange(num_bins + 1) * before[..., -1:] // num_bins)
    groups = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(ordered) else np.zeros(0, np.int64)
    groups = np.append(groups, len(ordered))
    starts = groups[np.searchsorted(groups, search(before, needed, side='left'))]
    starts[..., -1] = len(ordered)
    return starts


def expected_calibration_error(bins: CalibrationBins) -> float | np.ndarray:
    r"""ECE, :math:`\sum_m \frac{n_m}{N} |acc_m - conf_m|`, a fraction; Guo et al., https://arxiv.org/abs/1706.04599.

    >>> bins = calibration_bins([0.1, 0.6, 0.9, 0.9], [0, 1, 1, 0], num_bins=2)
    >>> round(expected_calibration_error(bins), 4)
    0.125
    """
    gaps = np.nan_to_num(np.abs(bins.accuracy - bins.confidence))
    return plain(divide((bins.count * gaps).sum(-1), bins.count.sum(-1)))


def maximum_calibration_error(bins: CalibrationBins) -> float | np.ndarray:
    r"""MCE, :math:`\max_m |acc_m - conf_m|` over the bins that have samples, a fraction; source as for the ECE.

    >>> bins = calibration_bins([0.1, 0.6, 0.9, 0.9], [0, 1, 1, 0], num_bins=2)
    >>> round(maximum_calibration_error(bins), 4)
    0.1333
    """
    gaps = np.nan_to_num(np.abs(bins.accuracy - bins.confidence))
    return plain(np.where(bins.count.sum(-1) > 0, gaps.max(-1), np.nan))


def classwise_calibration_error(
    scores: ArrayLike,
    target: ArrayLike,
    num_bins: int = 15,
    adaptive: bool = False,
    weights: ArrayLike | None = None,
) -> float | np.ndarray:
    r"""Class-wise ECE, a fraction: :math:`\frac{1}{K} \sum_k ECE(p_k, [t = k])`.

    The score of each class is compared with the frequency of that class among the labels. All K classes have the same
    weight; a class without samples counts with its scores. Kull et al., Beyond temperature scaling,
    https://arxiv.org/abs/1910.12656; with adaptive bins it is Nixon et al.'s ACE, https://arxiv.org/abs/1904.01685.

    >>> round(classwise_calibration_error([[0.8, 0.2], [0.8, 0.2]], [0, 1], num_bins=2), 4)
    0.3
    """
    scores = as_scores(scores)
    target = as_labels(target, *scores.shape)
    errors = [
        expected_calibration_error(calibration_bins(score, target == k, num_bins, adaptive, weights))
        for k, score in enumerate(scores.T)
    ]
    return plain(np.mean(np.asarray(errors), axis=0))
