"""The head of POSTER-Var with the KL term of variational inference, and expected predictions."""

from mmfer.models import VICHead

head = dict(type=VICHead, kl_weight=0.01, num_samples=10, integrate=True)
