"""Label distribution learning: KL divergence to the soft label, or to the smoothed label."""

from mmfer.models import LabelDistributionLoss, LinearHead

head = dict(type=LinearHead, loss=dict(type=LabelDistributionLoss))
