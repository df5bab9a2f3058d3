"""synth.py with the head of _base_/heads/mc_dropout.py.

Dropout before the last layer, at test too.

Expected: not measured for seven epochs; 80.53 % over three seeds for four (docs/results/README.md).
Labels: those of synth.py.
Command: mmfer train poster_var/synth_mc_dropout
"""

from mmengine.config import read_base

with read_base():
    from .._base_.heads.mc_dropout import head
    from .synth import *

model.head = dict(head, num_classes=7, in_channels=96)
del head
