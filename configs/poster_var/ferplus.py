"""POSTER-Var on FER+ with the votes as soft labels.

Paper: Facial expression recognition via variational inference, https://doi.org/10.1038/s41598-026-38734-x
Expected: 91.89 % accuracy, quoted in another paper's table (no second source was found), with SAM (rho 0.05) around
AdamW as here. Which test list that figure is about is not known; this one tests by the majority rule (3,153 faces).
Labels: FER+'s own order, neutral, happiness, surprise, sadness, anger, disgust, fear, contempt; target votes / 10.
Needs: data/ferplus, pretrained/ir50.pth, pretrained/mobilefacenet_model_best.pth.tar (docs/datasets.md, README.md).
Command: mmfer train poster_var/ferplus
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.ferplus import *
    from .._base_.default_runtime import *
    from .._base_.models.poster_var import *
    from .._base_.schedules.poster_var import *

model.head.num_classes = 8
optim_wrapper.optimizer.lr = 3.5e-6
