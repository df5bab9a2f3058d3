"""EAC with ResNet-50 on AffectNet with seven classes.

Paper: https://arxiv.org/abs/2207.10299
Expected: 65.32 % accuracy, reported by the paper. Its code has RAF-DB only: here its recipe with every class drawn as
often.
Labels: AffectNet's own, 0..6 = neutral, happiness, sadness, surprise, fear, disgust, anger; the validation part is the
test. Training draws every class as often.
Needs: data/affectnet (docs/datasets.md), pretrained/resnet50_ft_weight.pkl (README.md).
Command: mmfer train eac/affectnet7
"""

from mmcv.transforms import RandomApply
from mmengine.config import read_base

from mmfer.datasets import (
    CropFace,
    ImageGaussianNoise,
    ImageRandomErasing,
    ImageResize,
    ImbalancedSampler,
    LoadImageFromFile,
    PackInputs,
)

with read_base():
    from .._base_.datasets.affectnet7 import *
    from .._base_.default_runtime import *
    from .raf import model, optim_wrapper, param_scheduler, test_cfg, train_cfg, val_cfg

load = [dict(type=LoadImageFromFile), dict(type=CropFace)]
resize = dict(type=ImageResize, size=(224, 224))
train_dataloader.dataset.pipeline = [
    *load,
    dict(type=RandomApply, prob=0.5, transforms=[dict(type=ImageGaussianNoise)]),
    resize,
    dict(type=ImageRandomErasing, p=0.5, scale=(0.02, 0.25)),
    dict(type=PackInputs),
]
for loader in (val_dataloader, test_dataloader):
    loader.dataset.pipeline = [*load, resize, dict(type=PackInputs)]
train_dataloader.update(batch_size=32, sampler=dict(type=ImbalancedSampler))
