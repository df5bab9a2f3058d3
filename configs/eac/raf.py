"""EAC with ResNet-50 on RAF-DB.

Paper: Learn From All: Erasing Attention Consistency for Noisy Label Facial Expression Recognition,
https://arxiv.org/abs/2207.10299
Expected: 90.35 % accuracy, reported by the paper. The second view is the flipped first one, as in the authors' code
for clean labels.
Labels: RAF-DB's own list, 1..7 = surprise, fear, disgust, happiness, sadness, anger, neutral.
Needs: data/raf_db (docs/datasets.md), pretrained/resnet50_ft_weight.pkl (README.md).
Command: mmfer train eac/raf
"""

from mmcv.transforms import RandomApply
from mmengine.config import read_base
from mmengine.optim import ExponentialLR, OptimWrapper
from mmpretrain.models import ImageClassifier
from torch.optim import Adam

from mmfer.datasets import ImageGaussianNoise, ImageRandomErasing, ImageResize, LoadImageFromFile, PackInputs
from mmfer.engine import FERTestLoop, FERTrainLoop, FERValLoop
from mmfer.models import EACHead, FaceResNet, TwoViewPreprocessor

with read_base():
    from .._base_.datasets.raf_db import *
    from .._base_.default_runtime import *

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=TwoViewPreprocessor),  # ImageNet's mean and deviation, RGB
    backbone=dict(
        type=FaceResNet,
        depth=50,
        layout='vggface2',
        init_cfg=dict(type='Pretrained', checkpoint='pretrained/resnet50_ft_weight.pkl'),
    ),
    head=dict(type=EACHead, num_classes=7, in_channels=2048),  # reads the map: no pooling before it
)
train_dataloader.dataset.pipeline = [
    dict(type=LoadImageFromFile),
    dict(type=RandomApply, prob=0.5, transforms=[dict(type=ImageGaussianNoise)]),
    dict(type=ImageResize, size=(224, 224)),
    dict(type=ImageRandomErasing, p=0.5, scale=(0.02, 0.25)),
    dict(type=PackInputs),
]
train_dataloader.batch_size = 32
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=Adam, lr=1e-4, weight_decay=1e-4))
param_scheduler = [dict(type=ExponentialLR, gamma=0.9, by_epoch=True)]
train_cfg = dict(type=FERTrainLoop, max_epochs=60, val_interval=1)
val_cfg = dict(type=FERValLoop)
test_cfg = dict(type=FERTestLoop)
