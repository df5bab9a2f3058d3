"""A Dirichlet distribution over the class probabilities, by squared error as its paper chose: it wants many epochs."""

from mmfer.models import EvidentialHead

head = dict(type=EvidentialHead)
