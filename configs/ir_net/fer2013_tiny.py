"""A small residual network on the real faces of FER2013 at 32x32, for comparisons on a CPU.

Paper of the units: https://arxiv.org/abs/1801.07698 (the improved residual network of ArcFace), 0.17 M parameters,
three epochs: a few minutes on one core, and far from what FER2013 allows (65 % and more).
Expected: not measured for three epochs; 46.17 +- 0.94 % over three seeds for two (docs/results/README.md).
Labels: FER2013's own order, anger, disgust, fear, happiness, sadness, surprise, neutral.
Needs: data/fer2013 (see README.md).
Command: mmfer train ir_net/fer2013_tiny
"""

from mmengine.config import read_base
from mmpretrain.models import GlobalAveragePooling, ImageClassifier

from mmfer.models import FERDataPreprocessor, IRNet, LinearHead

with read_base():
    from .._base_.datasets.fer2013 import *
    from .._base_.default_runtime import *
    from .._base_.schedules.tiny import *

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),  # ImageNet's mean and deviation, RGB
    backbone=dict(type=IRNet, channels=(16, 32, 64), num_blocks=(1, 2, 2), out_indices=(2,)),
    neck=dict(type=GlobalAveragePooling),
    head=dict(type=LinearHead, num_classes=7, in_channels=64),
)
train_dataloader.dataset.pipeline[1].scale = 32
for loader in (val_dataloader, test_dataloader):
    loader.dataset.pipeline[1].scale = (32, 32)
del loader
channels_last = True
max_epochs = 3
param_scheduler[0].total_steps = max_epochs
train_cfg.update(max_epochs=max_epochs, val_interval=max_epochs)
