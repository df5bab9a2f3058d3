"""VICH by the joint likelihood of a face's votes, which tells the width of its Gaussian; for samples with votes."""

from mmfer.models import VICHead

head = dict(type=VICHead, likelihood='votes', num_samples=32, kl_weight=0.001)
votes = True
