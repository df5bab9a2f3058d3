"""Gaussian logits, averaged before the logarithm."""

from mmfer.models import HeteroscedasticHead

head = dict(type=HeteroscedasticHead, num_samples=10)
