"""EfficientNet-B0 on RAF-DB with a linear head, by the recipe of _base_/schedules/finetune.py.

Paper of the network: https://arxiv.org/abs/1905.11946
Expected: not measured yet.
Labels: RAF-DB's own list, 1..7 = surprise, fear, disgust, happiness, sadness, anger, neutral.
Needs: data/raf_db (docs/datasets.md), pretrained/efficientnet_b0.pth (README.md).
Command: mmfer train efficientnet/raf
"""

from mmengine.config import read_base
from mmpretrain.models import EfficientNet, GlobalAveragePooling, ImageClassifier

from mmfer.models import FERDataPreprocessor, LinearHead

with read_base():
    from .._base_.datasets.raf_db import *
    from .._base_.default_runtime import *
    from .._base_.schedules.finetune import *

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),  # ImageNet's mean and deviation, RGB
    backbone=dict(
        type=EfficientNet,
        arch='b0',
        init_cfg=dict(type='Pretrained', checkpoint='pretrained/efficientnet_b0.pth'),
    ),
    neck=dict(type=GlobalAveragePooling),
    head=dict(type=LinearHead, num_classes=7, in_channels=1280),
)
train_dataloader.batch_size = 64
