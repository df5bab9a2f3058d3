from .soft_cross_entropy_loss import SoftCrossEntropyLoss

__all__ = ['SoftCrossEntropyLoss']
