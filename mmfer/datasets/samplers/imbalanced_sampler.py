"""Samples drawn by the inverse frequency of their class."""

from collections.abc import Sized
from typing import Optional

import numpy as np

from mmfer.registry import DATA_SAMPLERS

from ..arguments import check_integer
from .base import ClassSampler


@DATA_SAMPLERS.register_module()
class ImbalancedSampler(ClassSampler):
    """Draws samples with replacement; the weight of a sample is one over the number of samples of its class.

    So every class is as likely, while the number of each in an epoch varies. It is the rule of the
    ``ImbalancedDatasetSampler`` (https://github.com/ufoym/imbalanced-dataset-sampler) with which POSTER++, POSTER and
    DAN train on AffectNet.

    Args:
        dataset: The data set; see :func:`mmfer.datasets.samplers.labels_of`.
        num_samples: Samples an epoch, all ranks together. By default as many as the data set has.
        seed: Equal on all ranks; the Runner gives its own. By default a random one that the ranks agree upon.

    Raises:
        TypeError: The data set does not tell its labels.
        ValueError: There are no samples of a class, or an argument is out of range.
    """

    def __init__(self, dataset: Sized, num_samples: Optional[int] = None, seed: Optional[int] = None) -> None:
        super().__init__(dataset, seed=seed)
        if num_samples is not None:
            self.set_total(check_integer(self, 'num_samples', num_samples, 1))

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Indices of an epoch, int64 (num_samples,)."""
        sizes = np.array([len(indices) for indices in self.members])
        classes = (rng.random(self.total) * len(sizes)).astype(np.int64)
        within = (rng.random(self.total) * sizes[classes]).astype(np.int64)
        starts = np.cumsum(sizes) - sizes
        return np.concatenate(self.members)[starts[classes] + within]
