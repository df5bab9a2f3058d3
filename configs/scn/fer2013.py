"""SCN on the real faces of FER2013, from scratch at 40x40 with the stem for small images.

Paper: https://arxiv.org/abs/2002.10392; it has no results on FER2013.
Expected: not measured yet.
Labels: FER2013's own order, anger, disgust, fear, happiness, sadness, surprise, neutral.
Needs: data/fer2013 (docs/datasets.md).
Command: mmfer train scn/fer2013
"""

from mmengine.config import read_base
from mmpretrain.models import GlobalAveragePooling, ImageClassifier

from mmfer.engine import RelabelHook
from mmfer.models import FaceResNet, FERDataPreprocessor, SCNHead

with read_base():
    from .._base_.datasets.fer2013 import *
    from .._base_.default_runtime import *
    from .._base_.schedules.tiny import *

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),
    backbone=dict(type=FaceResNet, depth=18, layout='small'),
    neck=dict(type=GlobalAveragePooling),
    head=dict(type=SCNHead, num_classes=7, in_channels=512),
)
custom_hooks.append(dict(type=RelabelHook, begin=12, margin=0.2))  # from scratch, the labels are trusted for longer
channels_last = True
max_epochs = 15
optim_wrapper.optimizer.lr = 1e-3
param_scheduler[0].update(eta_max=1e-3, total_steps=max_epochs)
train_cfg.max_epochs = max_epochs
