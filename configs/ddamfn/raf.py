"""DDAMFN on RAF-DB.

Paper: A Dual-Direction Attention Mixed Feature Network for Facial Expression Recognition,
https://doi.org/10.3390/electronics12173595
Expected: 91.35 % accuracy, reported by the paper.
Labels: RAF-DB's own list, 1..7 = surprise, fear, disgust, happiness, sadness, anger, neutral.
Needs: data/raf_db (docs/datasets.md), pretrained/MFN_msceleb.pth (README.md).
Command: mmfer train ddamfn/raf
"""

from mmcv.transforms import RandomApply, RandomFlip
from mmengine.config import read_base
from mmengine.optim import OptimWrapper, StepLR
from mmpretrain.models import ImageClassifier
from torch.optim import SGD

from mmfer.datasets import ImageRandomCrop, ImageRandomErasing, ImageRandomRotation, ImageResize, PackInputs
from mmfer.engine import FERTestLoop, FERTrainLoop, FERValLoop
from mmfer.models import DDAMFNHead, DDAMFNNeck, FERDataPreprocessor, MixedFeatureNet

with read_base():
    from .._base_.datasets.raf_db import *
    from .._base_.default_runtime import *

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),  # ImageNet's mean and deviation, RGB
    backbone=dict(type=MixedFeatureNet, init_cfg=dict(type='Pretrained', checkpoint='pretrained/MFN_msceleb.pth')),
    neck=dict(type=DDAMFNNeck, in_channels=512, feature_size=7, num_heads=2),
    head=dict(type=DDAMFNHead, num_classes=7, in_channels=512),
)
load = [dict(type=LoadImageFromFile), dict(type=ImageResize, size=(112, 112))]
turned = [dict(type=ImageRandomRotation, degrees=5), dict(type=ImageRandomCrop, size=112, padding=8)]
train_dataloader.dataset.pipeline = [
    *load,
    dict(type=RandomFlip, prob=0.5),
    dict(type=RandomApply, prob=0.2, transforms=turned),
    dict(type=ImageRandomErasing, p=0.5, scale=(0.02, 0.25)),
    dict(type=PackInputs),
]
for loader in (val_dataloader, test_dataloader):
    loader.dataset.pipeline = [*load, dict(type=PackInputs)]
train_dataloader.batch_size = 256
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=SGD, lr=0.01, momentum=0.9, weight_decay=1e-4))
param_scheduler = [dict(type=StepLR, step_size=10, gamma=0.1, by_epoch=True)]
train_cfg = dict(type=FERTrainLoop, max_epochs=40, val_interval=1)
val_cfg = dict(type=FERValLoop)
test_cfg = dict(type=FERTestLoop)
