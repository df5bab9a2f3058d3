"""Dropout before the last layer, at test too."""

from mmfer.models import MCDropoutHead

head = dict(type=MCDropoutHead, drop_rate=0.5, test_samples=50)
