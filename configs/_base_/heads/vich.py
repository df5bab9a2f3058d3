"""The head of POSTER-Var as published: one sample a face, no KL term, prediction from the mean."""

from mmfer.models import VICHead

head = dict(type=VICHead)
