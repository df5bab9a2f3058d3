"""ResNet-50 on RAF-DB with a linear head, by the recipe of _base_/schedules/finetune.py.

Paper of the network: https://arxiv.org/abs/1512.03385
Expected: not measured yet. EAC's paper has 88.75 % for a plain ResNet-50 with its own recipe.
Labels: RAF-DB's own list, 1..7 = surprise, fear, disgust, happiness, sadness, anger, neutral.
Needs: data/raf_db (docs/datasets.md), pretrained/resnet50_ft_weight.pkl (README.md).
Command: mmfer train resnet/raf_r50
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
        depth=50,
        layout='vggface2',
        init_cfg=dict(type='Pretrained', checkpoint='pretrained/resnet50_ft_weight.pkl'),
    ),
    neck=dict(type=GlobalAveragePooling),
    head=dict(type=LinearHead, num_classes=7, in_channels=2048),
)
train_dataloader.batch_size = 64
