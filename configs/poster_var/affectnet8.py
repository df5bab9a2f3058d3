"""POSTER-Var on AffectNet with eight classes, trained as affectnet7.py.

Expected: no figure is published for POSTER-Var with eight classes.
Labels: AffectNet's own, 0..7 = neutral, happiness, sadness, surprise, fear, disgust, anger, contempt; the validation
part is the test. Training draws 5,000 faces of each class an epoch.
Needs: data/affectnet (docs/datasets.md), pretrained/ir50.pth, pretrained/mobilefacenet_model_best.pth.tar (README.md).
Command: mmfer train poster_var/affectnet8
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.affectnet8 import *
    from .._base_.default_runtime import *
    from .._base_.models.poster_var import *
    from .._base_.schedules.poster_var import *

model.head.num_classes = 8
optim_wrapper.optimizer.lr = 4e-6
