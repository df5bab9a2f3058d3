"""The head of POSTER-Var without KL term, with ten samples a face and expected predictions."""

from mmfer.models import VICHead

head = dict(type=VICHead, num_samples=10, integrate=True)
