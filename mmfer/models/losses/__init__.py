from .brier_loss import BrierLoss
from .focal_loss import FocalLoss
from .label_distribution_loss import LabelDistributionLoss
from .soft_cross_entropy_loss import SoftCrossEntropyLoss

__all__ = ['BrierLoss', 'FocalLoss', 'LabelDistributionLoss', 'SoftCrossEntropyLoss']
