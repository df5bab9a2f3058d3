from .affinity_loss import AffinityLoss
from .attention_loss import AttentionLoss
from .brier_loss import BrierLoss
from .flip_consistency_loss import FlipConsistencyLoss
from .focal_loss import FocalLoss
from .label_distribution_loss import LabelDistributionLoss
from .partition_loss import PartitionLoss
from .rank_regularisation_loss import RankRegularisationLoss
from .soft_cross_entropy_loss import SoftCrossEntropyLoss

__all__ = [
    'AffinityLoss',
    'AttentionLoss',
    'BrierLoss',
    'FlipConsistencyLoss',
    'FocalLoss',
    'LabelDistributionLoss',
    'PartitionLoss',
    'RankRegularisationLoss',
    'SoftCrossEntropyLoss',
]
