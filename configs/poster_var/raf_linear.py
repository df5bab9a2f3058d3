"""POSTER-Var's network on RAF-DB with a linear head: the ablation of VICH, everything else as in raf.py.

Expected: no published figure for exactly this setting.
Labels: RAF-DB's own list, 1..7 = surprise, fear, disgust, happiness, sadness, anger, neutral.
Command: mmfer train poster_var/raf_linear
"""

from mmengine.config import read_base

from mmfer.models import LinearHead

with read_base():
    from .._base_.datasets.raf_db import *
    from .._base_.default_runtime import *
    from .._base_.models.poster_var import *
    from .._base_.schedules.poster_var import *

model.head = dict(type=LinearHead, num_classes=7, in_channels=768)
