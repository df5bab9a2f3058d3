"""How ten votes on an image of FER+ decide whether it is kept, and which of them its labels are made of.

The rules are those of the paper https://arxiv.org/abs/1608.01041 as its authors' code
https://github.com/microsoft/FERPlus computes them, and a simpler one that later papers use. Each takes ``votes``, int
(10,): eight expressions, unknown and NF (no face), and returns None, which drops the image, or the votes for
expressions that count, int (8,).
"""

from typing import Optional

import numpy as np

EXPRESSION_VOTES = 8
ANNOTATORS = 10


def without_outliers(votes: np.ndarray) -> np.ndarray:
    """The votes, those zeroed that are the only one for their answer."""
    return np.where(votes > 1, votes, 0)


def majority(votes: np.ndarray) -> Optional[np.ndarray]:
    """Keep the image if one expression has more than half of the votes, single votes not counted; all eight count.

    Examples:
        >>> majority(np.array([6, 0, 1, 0, 3, 0, 0, 0, 0, 0]))
        array([6, 0, 1, 0, 3, 0, 0, 0])
        >>> majority(np.array([4, 0, 0, 1, 3, 2, 0, 0, 0, 0])) is None
        True
    """
    counted = without_outliers(votes)
    label = int(counted.argmax())
    if label >= EXPRESSION_VOTES or 2 * counted[label] <= counted.sum():
        return None
    return votes[:EXPRESSION_VOTES]


def distribution(votes: np.ndarray) -> Optional[np.ndarray]:
    """Keep the image if its at most three main expressions have more than half of the votes together; these count.

    Single votes are not counted. Answers are taken from the most voted one down, equal ones together, until 75 % of
    the votes are covered or three are taken; unknown or NF ends that and is not taken. The image is dropped if more
    than three were taken (by equal votes) or they do not have more than half of the votes.

    Examples:
        >>> distribution(np.array([4, 0, 0, 1, 3, 2, 0, 0, 0, 0]))
        array([4, 0, 0, 0, 3, 0, 0, 0])
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
    return kept[:EXPRESSION_VOTES]


def argmax(votes: np.ndarray) -> Optional[np.ndarray]:
    """Keep the image if an expression has the most votes, unknown and NF coming last of equals; all eight count."""
    return None if votes.argmax() >= EXPRESSION_VOTES else votes[:EXPRESSION_VOTES]


RULES = dict(
    majority=majority,
    probability=distribution,
    crossentropy=distribution,
    argmax=argmax,
    votes=argmax,
)
"""Rule by name; ``votes`` differs from ``argmax`` in its soft label alone, see ``FERPlus``."""
