"""The votes of those who labelled a face: some of them, and what is wrong with them."""

import hashlib
from typing import Optional

import numpy as np

from .arguments import check_integer


class VoteSubset:
    """A random few of the votes of each face, to study how many votes a face are needed.

    They are drawn without replacement, each vote as likely. The draw follows from the seed and the face's own name
    alone, so it is the same in every epoch, process and order, whichever other faces there are. A larger subset holds
    the votes of a smaller one of the same seed, so that curves over their number compare.

    Args:
        owner: The data set, for errors.
        votes_used: Number of votes, 1 or more; a face with fewer keeps all. None: all.
        votes_seed: Another seed draws other votes.

    Raises:
        ValueError: An argument is out of range.

    Examples:
        >>> few = VoteSubset(None, 4)
        >>> int(few(np.array([6, 0, 3, 1]), 'fer0000000.png').sum())
        4
        >>> few(np.array([2, 0, 1, 0]), 'fer0000001.png').tolist()
        [2, 0, 1, 0]
    """

    def __init__(self, owner: object, votes_used: Optional[int], votes_seed: int = 0):
        self.count = None if votes_used is None else check_integer(owner, 'votes_used', votes_used, 1)
        self.seed = check_integer(owner, 'votes_seed', votes_seed, 0)

    @property
    def protocol(self) -> str:
        """What the protocol of the data set says of it; '' where all votes are used."""
        return '' if self.count is None else f', at most {self.count} votes a face (seed {self.seed})'

    def __call__(self, votes: np.ndarray, face: str) -> np.ndarray:
        """The votes, int64 (K,), that are used of those of a face, int64 (K,)."""
        if self.count is None or votes.sum() <= self.count:
            return votes
        digest = hashlib.blake2b(f'{self.seed} {face}'.encode(), digest_size=16).digest()
        rng = np.random.default_rng(int.from_bytes(digest, 'little'))
        left = votes.copy()
        for _ in range(self.count):
            drawn = rng.integers(left.sum())  # one of the votes that are left, counted class by class
            left[np.searchsorted(left.cumsum(), drawn, side='right')] -= 1
        return votes - left


def votes_problem(votes: object, num_classes: Optional[int] = None) -> str:
    """What is wrong with the votes of a face, to follow the word 'votes'; '' where nothing is.

    Args:
        votes: Whole numbers (K,), not negative and not all zero.
        num_classes: K; None does not check it.

    Examples:
        >>> votes_problem([3, 0, 7], 3), votes_problem([3, 0.5, 0])
        ('', '[3, 0.5, 0] are not whole numbers')
    """
    try:
        counts = np.asarray(votes)
    except ValueError:  # nested lists of different lengths
        counts = np.array('')
    whole = counts.dtype.kind in 'iu' or (
        counts.dtype.kind == 'f' and np.isfinite(counts).all() and (counts == counts.round()).all()
    )
    if not whole or counts.ndim != 1:
        return f'{votes} are not whole numbers'
    if num_classes is not None and len(counts) != num_classes:
        return f'{votes} are {len(counts)} numbers for {num_classes} classes'
    if counts.min(initial=0) < 0:
        return f'{votes} have negative numbers'
    return '' if counts.any() else f'{votes} are all zero'
