"""DAN on RAF-DB.

Paper: Distract Your Attention: Multi-head Cross Attention Network for Facial Expression Recognition,
https://arxiv.org/abs/2109.07270
Expected: 89.70 % accuracy, reported by the paper. Its code learns eight centres for the seven classes; here seven.
Labels: RAF-DB's own list, 1..7 = surprise, fear, disgust, happiness, sadness, anger, neutral.
Needs: data/raf_db (docs/datasets.md), pretrained/resnet18_msceleb.pth (README.md).
Command: mmfer train dan/raf
"""

from mmcv.transforms import RandomApply, RandomFlip
from mmengine.config import read_base
from mmengine.optim import OptimWrapper, StepLR
from mmpretrain.models import ImageClassifier
from torch.optim import SGD

from mmfer.datasets import (
    ImageRandomCrop,
    ImageRandomErasing,
    ImageRandomRotation,
    ImageResize,
    LoadImageFromFile,
    PackInputs,
)
from mmfer.engine import FERTestLoop, FERTrainLoop, FERValLoop
from mmfer.models import DANHead, DANNeck, FaceResNet, FERDataPreprocessor

with read_base():
    from .._base_.datasets.raf_db import *
    from .._base_.default_runtime import *

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),  # ImageNet's mean and deviation, RGB
    backbone=dict(
        type=FaceResNet, depth=18, init_cfg=dict(type='Pretrained', checkpoint='pretrained/resnet18_msceleb.pth')
    ),
    neck=dict(type=DANNeck, in_channels=512, num_heads=4),
    head=dict(type=DANHead, num_classes=7, in_channels=512),
)
turned = [dict(type=ImageRandomRotation, degrees=20), dict(type=ImageRandomCrop, size=224, padding=32)]
train_dataloader.dataset.pipeline = [
    dict(type=LoadImageFromFile),
    dict(type=ImageResize, size=(224, 224)),
    dict(type=RandomFlip, prob=0.5),
    dict(type=RandomApply, prob=0.2, transforms=turned),
    dict(type=ImageRandomErasing, p=0.5, scale=(0.02, 0.25)),
    dict(type=PackInputs),
]
train_dataloader.batch_size = 256
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=SGD, lr=0.1, momentum=0.9, weight_decay=1e-4))
param_scheduler = [dict(type=StepLR, step_size=10, gamma=0.1, by_epoch=True)]
train_cfg = dict(type=FERTrainLoop, max_epochs=40, val_interval=1)
val_cfg = dict(type=FERValLoop)
test_cfg = dict(type=FERTestLoop)
