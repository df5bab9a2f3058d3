"""Accuracy and its relatives, all from one confusion matrix.

Legend: K classes; row = true class, column = predicted class. All results are fractions.
"""

from __future__ import annotations

import numpy as np


def confusion_matrix(pred: np.ndarray, target: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts (K, K) of predicted labels (N,) against true labels (N,).

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
    return np.bincount(target * num_classes + pred, minlength=num_classes**2).reshape(num_classes, num_classes)


def _divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.divide(a, b, out=np.full(np.shape(a), np.nan), where=np.asarray(b) > 0)


def accuracy(matrix: np.ndarray) -> float:
    """Share of right answers (WAR); NaN without samples.

    >>> round(accuracy(np.array([[1, 1], [0, 1]])), 4)
    0.6667
    """
    return float(_divide(np.trace(matrix).astype(float), matrix.sum()))


def class_accuracy(matrix: np.ndarray) -> np.ndarray:
    """Recall of each class (K,); NaN where a class has no samples.

    >>> class_accuracy(np.array([[1, 1], [0, 1]]))
    array([0.5, 1. ])
    """
    return _divide(np.diag(matrix).astype(float), matrix.sum(1))


def mean_class_accuracy(matrix: np.ndarray) -> float:
    """Mean recall of the classes that have samples (UAR, balanced accuracy); NaN without samples.

    >>> mean_class_accuracy(np.array([[1, 1], [0, 1]]))
    0.75
    """
    present = matrix.sum(1) > 0
    return float(class_accuracy(matrix)[present].mean()) if present.any() else float('nan')


def class_f1(matrix: np.ndarray) -> np.ndarray:
    """F1 of each class (K,), 2 TP / (2 TP + FP + FN); NaN where a class is neither true nor predicted.

    >>> class_f1(np.array([[1, 1], [0, 1]])).round(4)
    array([0.6667, 0.6667])
    """
    return _divide(2.0 * np.diag(matrix), matrix.sum(0) + matrix.sum(1))


def macro_f1(matrix: np.ndarray) -> float:
    """Mean F1 of the classes that are true or predicted at least once; NaN without samples.

    >>> round(macro_f1(np.array([[1, 1], [0, 1]])), 4)
    0.6667
    """
    f1 = class_f1(matrix)
    return float(np.nanmean(f1)) if matrix.sum() else float('nan')
