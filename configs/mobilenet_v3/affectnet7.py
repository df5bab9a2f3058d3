"""MobileNetV3 (large) on AffectNet with seven classes and a linear head, trained as raf.py, for ten epochs.

Paper of the network: https://arxiv.org/abs/1905.02244
Expected: not measured yet.
Labels: AffectNet's own, 0..6 = neutral, happiness, sadness, surprise, fear, disgust, anger; the validation part is the
test. Training draws 5,000 faces of each class an epoch.
Needs: data/affectnet (docs/datasets.md), pretrained/mobilenet_v3_large.pth (README.md).
Command: mmfer train mobilenet_v3/affectnet7
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.affectnet7 import *
    from .._base_.default_runtime import *
    from .._base_.schedules.finetune import *
    from .raf import model

max_epochs = 10
param_scheduler[1].update(T_max=max_epochs - 1, end=max_epochs)
train_cfg.max_epochs = max_epochs
