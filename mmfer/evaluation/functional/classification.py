"""Accuracy, recall and F1, all from one confusion matrix.

Legend: K classes; row = true class, column = predicted class. All results are fractions. A matrix may have leading
axes (..., K, K), as bootstrap replicates have; the results then have these axes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ._arrays import as_weights, divide, plain


def confusion_matrix(
    pred: np.ndarray, target: np.ndarray, num_classes: int, weights: ArrayLike | None = None
) -> np.ndarray:
    """Counts (K, K) of predicted labels (N,) against true labels (N,).

    With ``weights`` (..., N), how often each sample counts, float64 (..., K, K).

    >>> confusion_matrix([0, 1, 1], [0, 0, 1], 2)
    array([[1, 1],
           [0, 1]])

    Raises:
        ValueError: If the lengths differ, or a label lies outside 0..K-1.
    """
    pred, target = np.asarray(pred, np.int64), np.asarray(target, np.int64)
    if pred.shape != target.shape or pred.ndim != 1:
        raise ValueError(f'pred {pred.shape} and target {target.shape} must be of one length')
    for name, labels in dict(pred=pred, target=target).items():
        if len(labels) and not (labels.min() >= 0 and labels.max() < num_classes):
            raise ValueError(f'{name} has labels {labels.min()}..{labels.max()}, expected 0..{num_classes - 1}')
    cell = target * num_classes + pred
    if weights is None:
        return np.bincount(cell, minlength=num_classes**2).reshape(num_classes, num_classes)
    weights = as_weights(weights, len(cell))
    rows = weights.reshape(-1, len(cell)) if len(cell) else np.zeros((int(np.prod(weights.shape[:-1])), 0))
    counts = [np.bincount(cell, row, num_classes**2) for row in rows]
    return np.array(counts).reshape(*weights.shape[:-1], num_classes, num_classes)


def accuracy(matrix: np.ndarray) -> float | np.ndarray:
    """Share of right answers (WAR); NaN without samples.

    >>> round(accuracy(np.array([[1, 1], [0, 1]])), 4)
    0.6667
    """
    return plain(divide(np.trace(matrix, axis1=-2, axis2=-1), np.sum(matrix, axis=(-2, -1))))


def class_accuracy(matrix: np.ndarray) -> np.ndarray:
    """Recall of each class (K,); NaN where a class has no samples.

    >>> class_accuracy(np.array([[1, 1], [0, 1]]))
    array([0.5, 1. ])
    """
    return divide(np.diagonal(matrix, axis1=-2, axis2=-1), np.sum(matrix, axis=-1))


def mean_class_accuracy(matrix: np.ndarray) -> float | np.ndarray:
    """Mean recall of the classes that have samples (UAR, balanced accuracy); NaN without samples.

    >>> mean_class_accuracy(np.array([[1, 1], [0, 1]]))
    0.75
    """
    recall = class_accuracy(matrix)
    return plain(divide(np.nansum(recall, axis=-1), np.sum(~np.isnan(recall), axis=-1)))


def class_f1(matrix: np.ndarray) -> np.ndarray:
    """F1 of each class (K,), 2 TP / (2 TP + FP + FN); NaN where a class is neither true nor predicted.

    >>> class_f1(np.array([[1, 1], [0, 1]])).round(4)
    array([0.6667, 0.6667])
    """
    true_positive = np.diagonal(matrix, axis1=-2, axis2=-1)
    return divide(2.0 * true_positive, np.sum(matrix, axis=-2) + np.sum(matrix, axis=-1))


def macro_f1(matrix: np.ndarray) -> float | np.ndarray:
    """Mean F1 of the classes that have samples, as :func:`mean_class_accuracy` takes them; NaN without samples.

    scikit-learn also counts classes that are only predicted, as 0: data that lack a class would then be judged by
    whether that class is predicted once.

    >>> round(macro_f1(np.array([[1, 1], [0, 1]])), 4)
    0.6667
    """
    has_samples = np.sum(matrix, axis=-1) > 0
    return plain(divide(np.sum(np.where(has_samples, class_f1(matrix), 0), axis=-1), np.sum(has_samples, axis=-1)))


def weighted_f1(matrix: np.ndarray) -> float | np.ndarray:
    """Mean F1 of the classes, weighted by their number of samples; NaN without samples.

    >>> round(weighted_f1(np.array([[1, 1], [0, 2]])), 4)
    0.7333
    """
    support = np.sum(matrix, axis=-1)
    return plain(divide(np.nansum(class_f1(matrix) * support, axis=-1), np.sum(support, axis=-1)))
