"""RUL on RAF-DB.

Paper: Relative Uncertainty Learning for Facial Expression Recognition, NeurIPS 2021,
https://proceedings.neurips.cc/paper/2021/hash/9332c513ef44b682e9347822c2e457ac-Abstract.html
Expected: 88.98 % accuracy, reported by the paper, whose batches, epochs, optimizer and head these are. Schedule, flip,
noise and erasing are those of SCN (README.md).
Labels: RAF-DB's own list, 1..7 = surprise, fear, disgust, happiness, sadness, anger, neutral.
Needs: data/raf_db (docs/datasets.md), pretrained/resnet18_msceleb.pth (README.md).
Command: mmfer train rul/raf
"""

from mmcv.transforms import RandomApply, RandomChoice, RandomFlip
from mmengine.config import read_base
from mmengine.optim import ExponentialLR, OptimWrapper
from mmpretrain.models import ImageClassifier
from torch.optim import Adam

from mmfer.datasets import ImageGaussianNoise, ImageRandomErasing, ImageResize, LoadImageFromFile, PackInputs
from mmfer.engine import FERTestLoop, FERTrainLoop, FERValLoop
from mmfer.models import FaceResNet, FERDataPreprocessor, RULHead

with read_base():
    from .._base_.datasets.raf_db import *
    from .._base_.default_runtime import *

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),  # ImageNet's mean and deviation, RGB
    backbone=dict(
        type=FaceResNet, depth=18, init_cfg=dict(type='Pretrained', checkpoint='pretrained/resnet18_msceleb.pth')
    ),
    head=dict(type=RULHead, num_classes=7, in_channels=512, map_size=7, embed_dims=64, drop_rate=0.4),  # reads the map
)
flip_or_noise = [[dict(type=RandomFlip, prob=1.0)], [dict(type=ImageGaussianNoise)]]
train_dataloader.dataset.pipeline = [
    dict(type=LoadImageFromFile),
    dict(type=RandomApply, prob=0.5, transforms=[dict(type=RandomChoice, transforms=flip_or_noise)]),
    dict(type=ImageResize, size=(224, 224)),
    dict(type=ImageRandomErasing, p=0.5, scale=(0.02, 0.25)),
    dict(type=PackInputs),
]
train_dataloader.update(batch_size=64, drop_last=True)  # no batch of a single image
optim_wrapper = dict(
    type=OptimWrapper,
    optimizer=dict(type=Adam, lr=2e-4, weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys={'head.fc': dict(lr_mult=10)}),
)
param_scheduler = [dict(type=ExponentialLR, gamma=0.9, by_epoch=True)]
train_cfg = dict(type=FERTrainLoop, max_epochs=70, val_interval=1)
val_cfg = dict(type=FERValLoop)
test_cfg = dict(type=FERTestLoop)
