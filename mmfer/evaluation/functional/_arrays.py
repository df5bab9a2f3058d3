"""Checks and small helpers that the functions of this package share."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

# Below it float32 scores are zero or inexact, so that logarithms of smaller scores mean nothing.
FLOOR = float(np.finfo(np.float32).tiny)


def _listed(bad: Any) -> str:
    rows = np.flatnonzero(bad)
    return f'{len(rows)} of {len(bad)} rows (first: {", ".join(map(str, rows[:10]))})'


def as_distributions(values: ArrayLike, name: str) -> np.ndarray:
    """Rows (N, K) divided by their sums; they must be finite, not negative and not all zero."""
    array = np.asarray(values, np.float64)
    if array.ndim != 2 or array.shape[1] < 1:
        raise ValueError(f'{name} must have shape (N, K), not {array.shape}')
    total = array.sum(1, keepdims=True)
    bad = ~np.isfinite(array).all(1)
    if bad.any():
        raise ValueError(f'{name} is not finite in {_listed(bad)}')
    bad = (array < 0).any(1)
    if bad.any():
        raise ValueError(f'{name} is negative in {_listed(bad)}; probabilities are expected, not logits')
    bad = total[:, 0] == 0
    if bad.any():
        raise ValueError(f'{name} is all zero in {_listed(bad)}; leave these samples out')
    return array / total


def as_scores(scores: ArrayLike, name: str = 'scores') -> np.ndarray:
    """Predicted probabilities (N, K), which must sum to one; the error of rounding is divided out."""
    normalised = as_distributions(scores, name)
    total = np.asarray(scores, np.float64).sum(1)
    bad = np.abs(total - 1) > 1e-3
    if bad.any():
        raise ValueError(
            f'{name} does not sum to 1 in {_listed(bad)}, the first to {total[bad][0]:.6g}; apply a softmax first'
        )
    return normalised


def as_labels(target: ArrayLike, size: int, num_classes: int) -> np.ndarray:
    """Labels (N,) in 0..K-1."""
    target = np.asarray(target)
    if target.shape != (size,):
        raise ValueError(f'target has shape {target.shape}, expected ({size},)')
    labels = target.astype(np.int64)
    bad = (labels != target) | (labels < 0) | (labels >= num_classes)
    if bad.any():
        raise ValueError(f'target is not a label in 0..{num_classes - 1} in {_listed(bad)}')
    return labels


def as_values(values: ArrayLike, name: str, size: int | None = None) -> np.ndarray:
    """Numbers (N,) without NaN."""
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or size not in (None, len(array)):
        raise ValueError(f'{name} has shape {array.shape}, expected ({"N" if size is None else size},)')
    bad = np.isnan(array)
    if bad.any():
        raise ValueError(f'{name} is NaN in {_listed(bad)}')
    return array


def as_flags(values: ArrayLike, name: str, size: int | None = None) -> np.ndarray:
    """Yes or no (N,), as 1.0 and 0.0."""
    array = as_values(values, name, size)
    bad = (array != 0) & (array != 1)
    if bad.any():
        raise ValueError(f'{name} is neither 0 nor 1 in {_listed(bad)}')
    return array


def as_weights(weights: ArrayLike | None, size: int) -> np.ndarray:
    """Counts (..., N) of the samples; ones by default."""
    if weights is None:
        return np.ones(size)
    array = np.asarray(weights, np.float64)
    if array.ndim < 1 or array.shape[-1] != size:
        raise ValueError(f'weights has shape {array.shape}, expected (..., {size})')
    return array


def cumulate(values: np.ndarray) -> np.ndarray:
    """Sums of the first 0, 1, ..., N entries of the last axis: (..., N) -> (..., N + 1)."""
    out = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
    np.cumsum(values, axis=-1, out=out[..., 1:])
    return out


def divide(a: ArrayLike, b: ArrayLike, otherwise: float = np.nan) -> np.ndarray:
    """``a / b``, and ``otherwise`` where ``b`` is not positive."""
    a, b = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(b, np.float64))
    return np.divide(a, b, out=np.full(a.shape, float(otherwise)), where=b > 0)


def search(ascending: np.ndarray, values: np.ndarray, side: Literal['left', 'right']) -> np.ndarray:
    """NumPy's ``searchsorted`` row by row: (..., N) and (..., V) -> (..., V)."""
    found = np.empty(values.shape, np.int64)
    for row in np.ndindex(values.shape[:-1]):
        found[row] = np.searchsorted(ascending[row], values[row], side=side)
    return found


def plain(value: np.ndarray) -> float | np.ndarray:
    """A float for an array without axes."""
    return float(value) if np.ndim(value) == 0 else value


def mean(values: ArrayLike, weights: ArrayLike | None = None) -> float | np.ndarray:
    """Mean of values (N,), NaN without samples; for counts (..., N), means (...).

    >>> mean([1, 2, 6]), mean([1, 2, 6], [0, 2, 2])
    (3.0, 4.0)
    """
    values = np.asarray(values, np.float64)
    weights = as_weights(weights, len(values))
    return plain(divide(weights @ values, weights.sum(-1)))
