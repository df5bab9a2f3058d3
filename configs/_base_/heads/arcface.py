"""Additive angular margin, at a scale for few classes."""

from mmfer.models import ArcFaceHead

head = dict(type=ArcFaceHead, scale=16.0, margin=0.3)
