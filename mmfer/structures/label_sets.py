"""Prediction sets: sets of classes, by a threshold that ``mmfer calibrate --sets`` fitted.

Legend: N faces, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

METHODS = ('aps', 'raps', 'lac', 'votes')


def set_scores(probs: np.ndarray, method: str = 'aps', penalty: float = 0.0, free: int = 1) -> np.ndarray:
    r"""Score of each class: the lowest threshold at which the class belongs to the set of its face.

    With classes ranked by probability, :math:`p_{(1)} \ge p_{(2)} \ge \dots`, the class of rank r > 1 has the score

    .. math::
        s_{aps} = \sum_{j < r} p_{(j)}, \quad s_{raps} = s_{aps} + \lambda \max(0, r - k), \quad s_{lac} = 1 - p_{(r)}

    and the first class has 0, so that no set is empty. The set of APS, and of ``'votes'``, is the smallest one whose
    probability exceeds the threshold. Nothing is random: a face has the same set each time.

    Papers: Romano et al., https://arxiv.org/abs/2006.02544; Angelopoulos et al., https://arxiv.org/abs/2009.14193
    (RAPS); Sadinle et al., https://arxiv.org/abs/1609.00451 (LAC).

    Args:
        probs: (..., K).
        method: One of ``METHODS``.
        penalty: :math:`\lambda`, of RAPS.
        free: k, of RAPS: so many classes cost nothing.

    Returns:
        float64 (..., K).

    >>> set_scores(np.array([0.3, 0.5, 0.2])).tolist()
    [0.5, 0.0, 0.8]
    """
    probs = np.asarray(probs, np.float64)
    probs = probs / probs.sum(-1, keepdims=True)
    order = np.argsort(-probs, axis=-1, kind='stable')
    ranked = np.take_along_axis(probs, order, -1)
    scores = 1 - ranked
    scores[..., 0] = 0
    if method != 'lac':
        scores[..., 1:] = np.cumsum(ranked, -1)[..., :-1]
    if method == 'raps':
        scores[..., 1:] += penalty * np.maximum(0, np.arange(2, probs.shape[-1] + 1) - free)
    found = np.empty_like(scores)
    np.put_along_axis(found, order, scores, -1)
    return found


def find_sets(probs: np.ndarray, sets: Mapping[str, Any]) -> np.ndarray:
    """Which classes belong to the set of each face, bool (..., K), for probabilities (..., K).

    Args:
        probs: As the model gives them.
        sets: ``meta['sets']`` of a checkpoint: ``method``, ``threshold`` (one number, or one a class), and of RAPS
            ``penalty`` and ``free``.
    """
    options = {name: sets[name] for name in ('penalty', 'free') if sets.get(name) is not None}
    return set_scores(probs, sets['method'], **options) <= np.asarray(sets['threshold'])


def name_set(probs: np.ndarray, classes: Sequence[str], sets: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the classes in the set of a face with probabilities (K,), the most probable first."""
    inside = find_sets(probs, sets)
    order = np.argsort(-np.asarray(probs, np.float64), kind='stable')
    return tuple(classes[k] for k in order if inside[k])


def check_sets(sets: Mapping[str, Any] | None, num_classes: int) -> Mapping[str, Any] | None:
    """Check and return the settings of sets in a file.

    Raises:
        ValueError: If the method is unknown, or the threshold is not one number from 0 on, or one a class.
    """
    if sets is None:
        return None
    if sets.get('method') not in METHODS:
        raise ValueError(f'sets by the method {sets.get("method")!r} are unknown: {", ".join(METHODS)}')
    threshold = np.asarray(sets.get('threshold'), np.float64)
    if threshold.shape not in ((), (num_classes,)) or not (np.isfinite(threshold) & (threshold >= 0)).all():
        raise ValueError(f'the threshold of the sets is {sets.get("threshold")}, not a number or one for each class')
    return sets


def set_words(label_set: Sequence[str], num_classes: int) -> str:
    """A set in words.

    >>> set_words(('happiness', 'surprise', 'fear'), 8), set_words(('happiness',), 8)
    ('happiness, surprise or fear', 'happiness')
    >>> set_words(('happiness', 'surprise'), 2)
    'any expression'
    """
    if len(label_set) == num_classes:
        return 'any expression'
    *others, last = label_set
    return f'{", ".join(others)} or {last}' if others else last
