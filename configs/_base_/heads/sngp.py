"""A Gaussian process over random features: unsure far from the training data."""

from mmfer.models import SNGPHead

head = dict(type=SNGPHead, memory=256)
