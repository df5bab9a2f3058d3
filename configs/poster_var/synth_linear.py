"""The tiny POSTER-Var's network on SynthFER with a linear head: the ablation of VICH, everything else as in synth.py.

Expected: 83.45 % accuracy, 89.7 % of a perfect observer (seed 0, 2 CPU cores, 4 minutes; README.md; measured before
the engine seeded samples by their place).
Labels: neutral, happiness, sadness, surprise, fear, disgust, anger; majority of ten simulated votes.
Command: python tools/train.py configs/poster_var/synth_linear.py
"""

from mmengine.config import read_base

from mmfer.models import LinearHead

with read_base():
    from .._base_.datasets.synth_fer import *
    from .._base_.default_runtime import *
    from .._base_.models.poster_var_tiny import *
    from .._base_.schedules.tiny import *

model.head = dict(type=LinearHead, num_classes=7, in_channels=96)
