"""Squared error between softmax and label."""

from mmfer.models import BrierLoss, LinearHead

head = dict(type=LinearHead, loss=dict(type=BrierLoss))
