"""How ten votes on an image become a label and a soft label of FER+, or drop the image.

The rules are those of the paper https://arxiv.org/abs/1608.01041 as its authors' code
https://github.com/microsoft/FERPlus computes them, and two simpler ones that later papers use. Each takes ``votes``,
int (10,): eight expressions, unknown and NF (no face), and returns None, which drops the image, or the label (an index
into the eight) and the soft label (8,), float32.
"""

from typing import Optional

import numpy as np

EXPRESSION_VOTES = 8
ANNOTATORS = 10


def without_outliers(votes: np.ndarray) -> np.ndarray:
    """The votes, those zeroed that are the only one for their answer."""
    return np.where(votes > 1, votes, 0)


def normalised(votes: np.ndarray) -> np.ndarray:
    """The votes for expressions divided by their sum, (8,) float32."""
    votes = votes[:EXPRESSION_VOTES]
    return (votes / votes.sum()).astype(np.float32)


def majority(votes: np.ndarray) -> Optional[tuple]:
    """Keep the image if one expression has more than half of the votes, single votes not counted.

    Examples:
        >>> majority(np.array([6, 0, 1, 0, 3, 0, 0, 0, 0, 0]))[0], majority(np.array([4, 0, 0, 1, 3, 2, 0, 0, 0, 0]))
        (0, None)
    """
    counted = without_outliers(votes)
    label = int(counted.argmax())
    if label >= EXPRESSION_VOTES or 2 * counted[label] <= counted.sum():
        return None
    return label, normalised(votes)


def distribution(votes: np.ndarray) -> Optional[tuple]:
    """Keep the image if its at most three main expressions have more than half of the votes together.

    Single votes are not counted. Answers are taken from the most voted one down, equal ones together, until 75 % of
    the votes are covered or three are taken; unknown or NF ends that and is not taken. The image is dropped if more
    than three were taken (by equal votes) or they do not have more than half of the votes.

    Examples:
        >>> distribution(np.array([4, 0, 0, 1, 3, 2, 0, 0, 0, 0]))[1].round(2).tolist()
        [0.5699999928474426, 0.0, 0.0, 0.0, 0.4300000071525574, 0.0, 0.0, 0.0]
    """
    left = without_outliers(votes)
    total = left.sum()
    kept = np.zeros_like(left)
    while 4 * kept.sum() < 3 * total and np.count_nonzero(kept) < 3:
        equals = np.flatnonzero(left == left.max())
        expressions = equals[equals < EXPRESSION_VOTES]
        kept[expressions] = left[expressions]
        if len(expressions) < len(equals):
            break
        left[equals] = 0
    if np.count_nonzero(kept) > 3 or 2 * kept.sum() <= total:
        return None
    return int(kept.argmax()), normalised(kept)


def argmax(votes: np.ndarray) -> Optional[tuple]:
    """Keep the image if an expression has the most votes, the first of equals; unknown and NF come last."""
    label = int(votes.argmax())
    return None if label >= EXPRESSION_VOTES else (label, normalised(votes))


def tenths(votes: np.ndarray) -> Optional[tuple]:
    """As :func:`argmax`, but the soft label is votes / 10, which unknown and NF leave below a sum of one."""
    kept = argmax(votes)
    return kept and (kept[0], (votes[:EXPRESSION_VOTES] / ANNOTATORS).astype(np.float32))


RULES = dict(
    majority=majority,
    probability=distribution,
    crossentropy=distribution,
    argmax=argmax,
    votes=tenths,
)
"""Rule by name."""
