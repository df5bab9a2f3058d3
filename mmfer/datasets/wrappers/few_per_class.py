"""A few samples of each class."""

import logging

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from mmfer.registry import DATASETS

from ..arguments import check_choice, check_integer
from .base import DatasetWrapper, shuffled


@DATASETS.register_module()
class FewPerClass(DatasetWrapper):
    """A data set with ``num_per_class`` samples of each class, chosen at random.

    The choice follows from the seed and the labels alone, and a larger choice contains a smaller one of the same seed,
    so that learning curves compare. The samples stay in the order of the data set.

    Args:
        dataset: The data set, or its config.
        num_per_class: Samples of each class, 1 or more.
        seed: Another seed makes another choice.
        if_fewer: Where a class has fewer samples: 'error', or 'all' to take all that it has, with a warning.
        lazy_init: Do not read the list before it is needed.

    Raises:
        ValueError: Classes have fewer samples (all are named), or an argument is out of range.

    Examples:
        >>> dataset = FewPerClass(dict(type='SynthFER', num_samples=300), num_per_class=5)
        >>> dataset.class_counts()['fear'], len(dataset)
        (5, 35)
    """

    def __init__(
        self,
        dataset: BaseDataset,
        num_per_class: int,
        seed: int = 0,
        if_fewer: str = 'error',
        lazy_init: bool = False,
    ):
        self.num_per_class = check_integer(self, 'num_per_class', num_per_class, 1)
        self.seed = check_integer(self, 'seed', seed, 0)
        self.if_fewer = check_choice(self, 'if_fewer', if_fewer, ('error', 'all'))
        super().__init__(dataset, lazy_init=lazy_init)

    def apply(self) -> None:
        """Choose the samples."""
        counts = self.dataset.class_counts()
        short = [f'{name} ({count})' for name, count in counts.items() if count < self.num_per_class]
        if short:
            text = f'FewPerClass: fewer than num_per_class={self.num_per_class} samples of {", ".join(short)}'
            if self.if_fewer == 'error':
                raise ValueError(f"{text}; if_fewer='all' takes all that there are")
            print_log(f'{text}: all are taken', logger='current', level=logging.WARNING)
        labels = self.dataset.get_gt_labels()
        chosen = [
            shuffled(np.random.default_rng([self.seed, label]), np.flatnonzero(labels == label))[: self.num_per_class]
            for label in range(self.num_classes)
        ]
        self.select(np.sort(np.concatenate(chosen)))

    def describe(self) -> str:
        """Number a class and seed."""
        few = ' or all there are' if self.if_fewer == 'all' else ''
        return f'{self.num_per_class} of each class{few} (seed {self.seed})'
