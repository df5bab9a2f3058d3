"""DAN on AffectNet with seven classes.

Paper: https://arxiv.org/abs/2109.07270
Expected: 65.69 % accuracy, reported by the paper. Its random affine map is made here of a turn, a scaling and a shift.
Labels: AffectNet's own, 0..6 = neutral, happiness, sadness, surprise, fear, disgust, anger; the validation part is the
test. Training draws every class as often.
Needs: data/affectnet (docs/datasets.md), pretrained/resnet18_msceleb.pth (README.md).
Command: mmfer train dan/affectnet7
"""

from mmcv.transforms import RandomApply, RandomFlip, RandomResize
from mmengine.config import read_base
from mmengine.optim import ExponentialLR, OptimWrapper
from torch.optim import Adam

from mmfer.datasets import (
    CropFace,
    ImageCenterCrop,
    ImageRandomCrop,
    ImageRandomErasing,
    ImageRandomRotation,
    ImageResize,
    ImbalancedSampler,
    LoadImageFromFile,
    PackInputs,
)

with read_base():
    from .._base_.datasets.affectnet7 import *
    from .._base_.default_runtime import *
    from .raf import model, test_cfg, train_cfg, val_cfg

turned = [
    dict(type=ImageRandomRotation, degrees=20),
    dict(type=RandomResize, scale=(224, 224), ratio_range=(0.8, 1.0)),
    dict(type=ImageCenterCrop, size=224),  # black around it
    dict(type=ImageRandomCrop, size=224, padding=45),  # up to a fifth of the side
]
load = [dict(type=LoadImageFromFile), dict(type=CropFace), dict(type=ImageResize, size=(224, 224))]
train_dataloader.dataset.pipeline = [
    *load,
    dict(type=RandomFlip, prob=0.5),
    dict(type=RandomApply, prob=0.7, transforms=turned),
    dict(type=ImageRandomErasing, p=0.5, scale=(0.02, 0.33)),
    dict(type=PackInputs),
]
for loader in (val_dataloader, test_dataloader):
    loader.dataset.pipeline = [*load, dict(type=PackInputs)]
train_dataloader.update(batch_size=256, sampler=dict(type=ImbalancedSampler))
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=Adam, lr=1e-4))
param_scheduler = [dict(type=ExponentialLR, gamma=0.6, by_epoch=True)]
train_cfg.max_epochs = 10
