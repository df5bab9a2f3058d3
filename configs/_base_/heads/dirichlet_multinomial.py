"""A Dirichlet distribution over the vote shares, by the exact likelihood of a face's votes; for samples with votes."""

from mmfer.models import EvidentialHead

head = dict(type=EvidentialHead, likelihood='dirichlet_multinomial', evidence='exp')
votes = True
