"""The linear head with the focal loss."""

from mmfer.models import FocalLoss, LinearHead

head = dict(type=LinearHead, loss=dict(type=FocalLoss, gamma=2.0))
