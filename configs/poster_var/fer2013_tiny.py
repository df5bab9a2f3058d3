"""The tiny POSTER-Var on the real faces of FER2013, trained from scratch on the CPU.

Expected: 62.82 % accuracy after the last epoch (seed 0, 2 CPU cores, 39 minutes; README.md).
Labels: FER2013's own order, anger, disgust, fear, happiness, sadness, surprise, neutral.
Needs: data/fer2013 (see README.md).
Command: mmfer train poster_var/fer2013_tiny
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.fer2013 import *
    from .._base_.default_runtime import *
    from .._base_.models.poster_var_tiny import *
    from .._base_.schedules.tiny import *

max_epochs = 15
param_scheduler[0].total_steps = max_epochs
train_cfg.max_epochs = max_epochs
