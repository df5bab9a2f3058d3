"""A Dirichlet distribution over the class probabilities."""

from mmfer.models import EvidentialHead

head = dict(type=EvidentialHead)
