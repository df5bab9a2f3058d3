"""Wrappers around any data set of mmfer, in any order: subsets, folds, label noise, other orders, several as one."""

from .base import DatasetWrapper
from .concat import ConcatDataset
from .few_per_class import FewPerClass
from .k_fold import KFold
from .list_subset import ListSubset
from .map_classes import MapClasses
from .noisy_labels import NoisyLabels

__all__ = ['ConcatDataset', 'DatasetWrapper', 'FewPerClass', 'KFold', 'ListSubset', 'MapClasses', 'NoisyLabels']
