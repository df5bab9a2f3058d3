"""POSTER-Var on RAF-DB.

Paper: Facial expression recognition via variational inference, https://doi.org/10.1038/s41598-026-38734-x
Expected: 92.76 % accuracy, reported by the paper with SAM (rho 0.05) around AdamW, as here.
Labels: RAF-DB's own list, 1..7 = surprise, fear, disgust, happiness, sadness, anger, neutral.
Needs: data/raf_db, pretrained/ir50.pth, pretrained/mobilefacenet_model_best.pth.tar (see README.md).
Command: mmfer train poster_var/raf
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.raf_db import *
    from .._base_.default_runtime import *
    from .._base_.models.poster_var import *
    from .._base_.schedules.poster_var import *
