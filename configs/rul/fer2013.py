"""RUL on the real faces of FER2013, from scratch at 40x40 with the stem for small images.

Paper: https://proceedings.neurips.cc/paper/2021/hash/9332c513ef44b682e9347822c2e457ac-Abstract.html
Expected: not measured yet.
Labels: FER2013's own order, anger, disgust, fear, happiness, sadness, surprise, neutral.
Needs: data/fer2013 (docs/datasets.md).
Command: mmfer train rul/fer2013
"""

from mmengine.config import read_base
from mmpretrain.models import ImageClassifier

from mmfer.models import FaceResNet, FERDataPreprocessor, RULHead

with read_base():
    from .._base_.datasets.fer2013 import *
    from .._base_.default_runtime import *
    from .._base_.schedules.tiny import *

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),
    backbone=dict(type=FaceResNet, depth=18, layout='small'),
    head=dict(type=RULHead, num_classes=7, in_channels=512, map_size=5),
)
channels_last = True
max_epochs = 15
optim_wrapper.optimizer.lr = 1e-3
param_scheduler[0].update(eta_max=1e-3, total_steps=max_epochs)
train_cfg.max_epochs = max_epochs
