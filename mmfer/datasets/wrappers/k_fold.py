"""Folds for cross validation, without people in common where the data set knows its people."""

import logging

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from mmfer.registry import DATASETS

from ..arguments import check_choice, check_integer
from .base import DatasetWrapper, shuffled


def sample_folds(labels: np.ndarray, num_folds: int, seed: int = 0) -> np.ndarray:
    """Fold of each sample, int64 (N,): neither folds nor their numbers of any class differ by more than one."""
    mixed = shuffled(np.random.default_rng(seed), np.arange(len(labels)))
    order = mixed[np.argsort(labels[mixed], kind='stable')]
    folds = np.empty(len(labels), dtype=np.int64)
    folds[order] = np.arange(len(labels)) % num_folds
    return folds


def group_folds(labels: np.ndarray, groups: np.ndarray, num_folds: int, seed: int = 0) -> np.ndarray:
    """Fold of each sample, int64 (N,), the same one for all samples of a group: a person, or an image of several faces.

    Groups are placed one after the other, those with most samples first, where they fit best: with n_fk samples of
    class k in fold f, n_k of it in all, and s_k of it from the group, the fold with the least
    ``sum_k n_fk s_k / n_k^2 + K n_f s / n^2`` (n_f, s and n are the sums over k). This keeps the sum over folds of the
    squared shares of classes and samples low, so the folds even in both; empty folds come first. The seed decides the
    order of groups with the same number of samples.
    """
    names, of_sample = np.unique(groups, return_inverse=True)
    num_classes = int(labels.max()) + 1
    counts = np.zeros((len(names), num_classes + 1))
    np.add.at(counts, (of_sample, labels), 1)
    counts[:, -1] = counts[:, :-1].sum(axis=1)
    totals = np.maximum(counts.sum(axis=0), 1)
    weights = 1 / totals**2
    weights[-1] *= num_classes
    mixed = shuffled(np.random.default_rng(seed), np.arange(len(names)))
    fold_counts = np.zeros((num_folds, num_classes + 1))
    fold_of_group = np.empty(len(names), dtype=np.int64)
    for group in mixed[np.argsort(-counts[mixed, -1], kind='stable')]:
        fold = int(np.argmin(fold_counts @ (weights * counts[group])))
        fold_counts[fold] += counts[group]
        fold_of_group[group] = fold
    return fold_of_group[of_sample]


@DATASETS.register_module()
class KFold(DatasetWrapper):
    """One part of one fold of a cross validation.

    The folds share no sample and together are the data set; the training part of a fold is all the others. By subject,
    all samples of a person are in one fold, as results on people seen in training say little about others; by image,
    the faces of a photo stay together; by sample, which is for data sets that name neither, the folds are stratified by
    class. The folds follow from the seed and the entries of the data set alone.

    Args:
        dataset: The data set, or its config.
        fold: Which fold is the test part, in 0..num_folds - 1.
        num_folds: Number of folds, 2 or more.
        part: 'train' or 'test'.
        seed: Another seed makes other folds.
        by: 'subject', 'image', 'sample', or 'auto': by subject where the entries have ``subject``, by image where one
            has several faces, else by sample.
        lazy_init: Do not read the list before it is needed.

    Raises:
        ValueError: There are fewer subjects, images or samples than folds, entries without ``subject``, or an argument
            is out of range.
    """

    def __init__(
        self,
        dataset: BaseDataset,
        fold: int,
        num_folds: int = 10,
        part: str = 'train',
        seed: int = 0,
        by: str = 'auto',
        lazy_init: bool = False,
    ):
        self.num_folds = check_integer(self, 'num_folds', num_folds, 2)
        self.fold = check_integer(self, 'fold', fold, 0, self.num_folds - 1)
        self.part = check_choice(self, 'part', part, ('train', 'test'))
        self.seed = check_integer(self, 'seed', seed, 0)
        self.by = check_choice(self, 'by', by, ('auto', 'subject', 'image', 'sample'))
        super().__init__(dataset, lazy_init=lazy_init)

    def apply(self) -> None:
        """Make the folds and keep the samples of this part."""
        labels = self.dataset.get_gt_labels()
        self.by, groups = self._groups()
        units = len(labels) if groups is None else len(set(groups))
        if units < self.num_folds:
            raise ValueError(f'KFold: {units} {self.by}s cannot be split into num_folds={self.num_folds}')
        if groups is None:
            folds = sample_folds(labels, self.num_folds, self.seed)
        else:
            folds = group_folds(labels, np.array(groups), self.num_folds, self.seed)
        chosen = np.flatnonzero((folds == self.fold) == (self.part == 'test'))
        absent = sorted(set(labels.tolist()) - set(labels[chosen].tolist()))
        if absent:
            names = ', '.join(self.classes[label] for label in absent)
            text = f'KFold: no samples of {names} in the {self.part} part of fold {self.fold}'
            print_log(text, logger='current', level=logging.WARNING)
        self.select(chosen)

    def describe(self) -> str:
        """Number and kind of the folds, which one, which part."""
        by = '' if self.by == 'auto' else f' by {self.by}'
        seed = f' (seed {self.seed})' if self.seed else ''
        return f'{self.num_folds}-fold{by}{seed}, fold {self.fold}, {self.part} part'

    def _groups(self) -> tuple:
        """What the folds are by, and of each sample the group that must stay together (None: by sample)."""
        if self.by in ('auto', 'subject'):
            subjects = self.dataset.column('subject')
            unknown = sum(subject is None for subject in subjects)
            if not unknown:
                return 'subject', [str(subject) for subject in subjects]
            if unknown < len(subjects) or self.by == 'subject':
                raise ValueError(
                    f'KFold: {unknown} of {len(subjects)} entries do not name their subject; '
                    "by='image' or 'sample' makes folds that may have people in common"
                )
        if self.by in ('auto', 'image'):
            images = self.dataset.column('img_path')
            if None not in images and (self.by == 'image' or len(set(images)) < len(images)):
                return 'image', images
            if self.by == 'image':
                raise ValueError("KFold: by='image' needs entries with an img_path, use by='sample'")
        return 'sample', None
