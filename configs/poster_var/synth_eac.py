"""synth.py with the head of _base_/heads/eac.py.

EAC on pooled features: the class scores of an image and of its flipped view are to agree.

Expected: 83.30 % accuracy, 89.6 % of the Bayes-optimal accuracy (seed 0; docs/results/README.md).
Labels: those of synth.py.
Command: mmfer train poster_var/synth_eac
"""

from mmengine.config import read_base

with read_base():
    from .._base_.heads.eac import data_preprocessor, head
    from .synth import *

model.head = dict(head, num_classes=7, in_channels=96)
model.data_preprocessor.update(data_preprocessor)
del head, data_preprocessor
