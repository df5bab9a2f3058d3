"""Squared error between softmax and label."""

from mmfer.models import MSEHead

head = dict(type=MSEHead)
