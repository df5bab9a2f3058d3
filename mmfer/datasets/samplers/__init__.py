"""Samplers that draw the classes evenly."""

from .balanced_sampler import BalancedSampler
from .base import ClassSampler, labels_of
from .imbalanced_sampler import ImbalancedSampler

__all__ = ['BalancedSampler', 'ClassSampler', 'ImbalancedSampler', 'labels_of']
