"""Wrappers around any data set of mmfer, which nest in any order: subsets, folds, label noise, other label orders."""

from .base import DatasetWrapper
from .few_per_class import FewPerClass
from .k_fold import KFold
from .list_subset import ListSubset
from .map_classes import MapClasses
from .noisy_labels import NoisyLabels

__all__ = ['DatasetWrapper', 'FewPerClass', 'KFold', 'ListSubset', 'MapClasses', 'NoisyLabels']
