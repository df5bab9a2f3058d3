"""synth.py with the head of _base_/heads/dirichlet_multinomial.py.

A Dirichlet distribution over the vote shares, by the likelihood of the ten simulated votes of each face.

Expected: not measured as a whole training; as a head on frozen features in docs/votes.md.
Labels: those of synth.py.
Command: mmfer train poster_var/synth_dirichlet_multinomial
"""

from mmengine.config import read_base

with read_base():
    from .._base_.heads.dirichlet_multinomial import head
    from .synth import *

model.head = dict(head, num_classes=7, in_channels=96)
train_pipeline[-1].update(votes=True)
train_dataloader.dataset.pipeline[-1].update(votes=True)
del head
