"""ferplus_small.py with VICH by the joint likelihood of the ten votes of each face, for intervals that hold.

Expected: not measured from scratch; ferplus_small_refit.py trains on by it (docs/votes.md).
Labels: those of ferplus_small.py.
Needs: data/ferplus (docs/datasets.md).
Command: mmfer train poster_var/ferplus_small_votes
"""

from mmengine.config import read_base

with read_base():
    from .._base_.heads.vich_votes import head
    from .ferplus_small import *

model.head = dict(head, num_classes=8, in_channels=128)
del head
