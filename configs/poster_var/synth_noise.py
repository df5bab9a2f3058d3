"""synth.py with wrong training labels: 20 % of them replaced, each by one of the other six classes at random.

The protocol of SCN (https://arxiv.org/abs/2002.10392), RUL and EAC (https://arxiv.org/abs/2207.10299): the class that
was there is never drawn, and the test labels are clean. Which labels are replaced follows from the seed of NoisyLabels,
not from that of the training. mmfer compare --label-noise RATE does this to any config.

Expected: not measured yet.
Labels: those of synth.py.
Command: mmfer train poster_var/synth_noise --cfg-options train_dataloader.dataset.rate=0.3
"""

from mmengine.config import read_base

from mmfer.datasets import NoisyLabels

with read_base():
    from .synth import *

train_dataloader.dataset = dict(type=NoisyLabels, dataset=train_dataloader.dataset, rate=0.2, seed=0)
