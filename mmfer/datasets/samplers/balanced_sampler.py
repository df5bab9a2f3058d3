"""The same number of samples of every class, drawn anew each epoch."""

from collections.abc import Sized
from typing import Optional

import numpy as np

from mmfer.registry import DATA_SAMPLERS

from ..arguments import check_integer
from .base import ClassSampler


@DATA_SAMPLERS.register_module()
class BalancedSampler(ClassSampler):
    """Draws ``num_per_class`` samples of every class each epoch, and shuffles them.

    This is the recipe of POSTER-Var on AffectNet, with 5,000 of each class an epoch. A class with enough samples is
    drawn without replacement, so that none comes twice in an epoch; one with fewer is drawn with replacement.

    Args:
        dataset: The data set; see :func:`mmfer.datasets.samplers.labels_of`.
        num_per_class: Samples of each class an epoch, all ranks together.
        seed: Equal on all ranks; the Runner gives its own. By default a random one that the ranks agree upon.

    Raises:
        TypeError: The data set does not tell its labels.
        ValueError: There are no samples of a class, or an argument is out of range.
    """

    def __init__(self, dataset: Sized, num_per_class: int, seed: Optional[int] = None) -> None:
        self.num_per_class = check_integer(self, 'num_per_class', num_per_class, 1)
        super().__init__(dataset, seed=seed)
        self.set_total(self.num_per_class * len(self.members))

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Indices of an epoch, int64 (K * num_per_class,)."""
        parts = []
        for indices in self.members:
            if len(indices) < self.num_per_class:
                chosen = (rng.random(self.num_per_class) * len(indices)).astype(np.int64)
            else:
                chosen = np.argsort(rng.random(len(indices)), kind='stable')[: self.num_per_class]
            parts.append(indices[chosen])
        drawn = np.concatenate(parts)
        return drawn[np.argsort(rng.random(len(drawn)), kind='stable')]
