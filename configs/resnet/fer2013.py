"""ResNet-18 on the real faces of FER2013, from scratch at 40x40 with the stem for small images.

Paper of the network: https://arxiv.org/abs/1512.03385
Expected: not measured yet.
Labels: FER2013's own order, anger, disgust, fear, happiness, sadness, surprise, neutral.
Needs: data/fer2013 (see README.md).
Command: mmfer train resnet/fer2013
"""

from mmengine.config import read_base
from mmpretrain.models import GlobalAveragePooling, ImageClassifier, ResNet_CIFAR

from mmfer.models import FERDataPreprocessor, LinearHead

with read_base():
    from .._base_.datasets.fer2013 import *
    from .._base_.default_runtime import *
    from .._base_.schedules.tiny import *

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),
    backbone=dict(type=ResNet_CIFAR, depth=18),
    neck=dict(type=GlobalAveragePooling),
    head=dict(type=LinearHead, num_classes=7, in_channels=512),
)
channels_last = True
max_epochs = 15
optim_wrapper.optimizer.lr = 1e-3
param_scheduler[0].update(eta_max=1e-3, total_steps=max_epochs)
train_cfg.max_epochs = max_epochs
