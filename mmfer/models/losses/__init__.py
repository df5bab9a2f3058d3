from .brier_loss import BrierLoss
from .flip_consistency_loss import FlipConsistencyLoss
from .focal_loss import FocalLoss
from .label_distribution_loss import LabelDistributionLoss
from .rank_regularisation_loss import RankRegularisationLoss
from .soft_cross_entropy_loss import SoftCrossEntropyLoss

__all__ = [
    'BrierLoss',
    'FlipConsistencyLoss',
    'FocalLoss',
    'LabelDistributionLoss',
    'RankRegularisationLoss',
    'SoftCrossEntropyLoss',
]
