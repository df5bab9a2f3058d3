"""Additive cosine margin, at a scale for few classes."""

from mmfer.models import AMSoftmaxHead

head = dict(type=AMSoftmaxHead, scale=16.0, margin=0.2)
