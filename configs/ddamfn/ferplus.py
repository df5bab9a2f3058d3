"""DDAMFN on FER+ with the labels of the majority.

Paper: https://doi.org/10.3390/electronics12173595
Expected: 90.74 % accuracy, reported by the paper, whose code does not say by which rule its lists were made; here
training, validation and test follow the majority rule (25,060, 3,199 and 3,153 faces).
Labels: FER+'s own order, neutral, happiness, surprise, sadness, anger, disgust, fear, contempt; no soft labels.
Needs: data/ferplus (docs/datasets.md), pretrained/MFN_msceleb.pth (README.md).
Command: mmfer train ddamfn/ferplus
"""

from mmcv.transforms import RandomApply, RandomFlip
from mmengine.config import read_base

from mmfer.datasets import ImageRandomCrop, ImageRandomErasing, ImageRandomRotation, PackInputs

with read_base():
    from .._base_.datasets.ferplus import *
    from .._base_.default_runtime import *
    from .raf import load, model, optim_wrapper, param_scheduler, test_cfg, train_cfg, val_cfg

turned = [dict(type=ImageRandomRotation, degrees=10), dict(type=ImageRandomCrop, size=112, padding=16)]
train_dataloader.dataset.update(
    rule='majority',
    pipeline=[
        *load,
        dict(type=RandomFlip, prob=0.5),
        dict(type=RandomApply, prob=0.2, transforms=turned),
        dict(type=ImageRandomErasing, p=0.5, scale=(0.02, 0.25)),
        dict(type=PackInputs),
    ],
)
for loader in (val_dataloader, test_dataloader):
    loader.dataset.pipeline = [*load, dict(type=PackInputs, keep_score=True)]
train_dataloader.batch_size = 256
model.head.num_classes = 8
train_cfg.max_epochs = 80
