"""ResNet-18 on RAF-DB with a linear head, by the recipe of _base_/schedules/finetune.py.

Paper of the network: https://arxiv.org/abs/1512.03385
Expected: not measured yet.
Labels: RAF-DB's own list, 1..7 = surprise, fear, disgust, happiness, sadness, anger, neutral.
Needs: data/raf_db (docs/datasets.md), pretrained/resnet18_msceleb.pth (README.md).
Command: mmfer train resnet/raf
"""

from mmengine.config import read_base
from mmpretrain.models import GlobalAveragePooling, ImageClassifier

from mmfer.models import FaceResNet, FERDataPreprocessor, LinearHead

with read_base():
    from .._base_.datasets.raf_db import *
    from .._base_.default_runtime import *
    from .._base_.schedules.finetune import *

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),  # ImageNet's mean and deviation, RGB
    backbone=dict(
        type=FaceResNet,
        depth=18,
        init_cfg=dict(type='Pretrained', checkpoint='pretrained/resnet18_msceleb.pth'),
    ),
    neck=dict(type=GlobalAveragePooling),
    head=dict(type=LinearHead, num_classes=7, in_channels=512),
)
train_dataloader.batch_size = 64
