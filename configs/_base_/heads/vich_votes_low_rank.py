"""VICH by the joint likelihood of a face's votes, whose expressions go up and down together; for samples with votes."""

from mmfer.models import VICHead

head = dict(type=VICHead, likelihood='votes', num_samples=32, kl_weight=0.001, covariance='low_rank', rank=3)
votes = True
