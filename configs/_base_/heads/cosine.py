"""Softmax over scaled cosines."""

from mmfer.models import CosineHead

head = dict(type=CosineHead, scale=16.0)
