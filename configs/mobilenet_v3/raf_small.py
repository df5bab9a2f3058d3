"""MobileNetV3 (small) on RAF-DB with a linear head, by the recipe of _base_/schedules/finetune.py.

Paper of the network: https://arxiv.org/abs/1905.02244
Expected: not measured yet.
Labels: RAF-DB's own list, 1..7 = surprise, fear, disgust, happiness, sadness, anger, neutral.
Needs: data/raf_db (docs/datasets.md), pretrained/mobilenet_v3_small.pth (README.md).
Command: mmfer train mobilenet_v3/raf_small
"""

from mmengine.config import read_base
from mmpretrain.models import GlobalAveragePooling, ImageClassifier, MobileNetV3

from mmfer.models import FERDataPreprocessor, LinearHead

with read_base():
    from .._base_.datasets.raf_db import *
    from .._base_.default_runtime import *
    from .._base_.schedules.finetune import *

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),  # ImageNet's mean and deviation, RGB
    backbone=dict(
        type=MobileNetV3,
        arch='small',
        init_cfg=dict(type='Pretrained', checkpoint='pretrained/mobilenet_v3_small.pth'),
    ),
    neck=dict(type=GlobalAveragePooling),
    head=dict(type=LinearHead, num_classes=7, in_channels=576),
)
train_dataloader.batch_size = 64
