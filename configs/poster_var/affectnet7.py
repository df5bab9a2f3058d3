"""POSTER-Var on AffectNet with seven classes.

Paper: Facial expression recognition via variational inference, https://doi.org/10.1038/s41598-026-38734-x
Expected: 67.91 % accuracy, reported by the paper with SAM (rho 0.05) around AdamW, as here.
Labels: AffectNet's own, 0..6 = neutral, happiness, sadness, surprise, fear, disgust, anger; the validation part is the
test. Training draws 5,000 faces of each class an epoch.
Needs: data/affectnet (docs/datasets.md), pretrained/ir50.pth, pretrained/mobilefacenet_model_best.pth.tar (README.md).
Command: mmfer train poster_var/affectnet7
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.affectnet7 import *
    from .._base_.default_runtime import *
    from .._base_.models.poster_var import *
    from .._base_.schedules.poster_var import *

optim_wrapper.optimizer.lr = 4e-6
