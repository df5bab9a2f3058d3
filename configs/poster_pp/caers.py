"""POSTER++ (POSTER V2) on CAER-S.

Paper: https://arxiv.org/abs/2301.12149
Expected: 93.00 % accuracy, reported by the paper. What it cut out of the frames is not known; here whole frames.
Labels: CAER-S's folders by name, anger, disgust, fear, happiness, neutral, sadness, surprise.
Needs: data/caer_s (docs/datasets.md), pretrained/ir50.pth, pretrained/mobilefacenet_model_best.pth.tar (README.md).
Command: mmfer train poster_pp/caers
"""

from mmengine.config import read_base

from mmfer.datasets import ImageRandomErasing

with read_base():
    from .._base_.datasets.caers import *
    from .._base_.default_runtime import *
    from .raf import model, optim_wrapper, param_scheduler, test_cfg, train_cfg, val_cfg

train_dataloader.dataset.pipeline = [
    dict(type=LoadImageFromFile),
    dict(type=ImageResize, size=(224, 224)),
    dict(type=RandomFlip, prob=0.5),
    dict(type=ImageRandomErasing, p=1.0, scale=(0.05, 0.05)),
    dict(type=PackInputs),
]
train_dataloader.batch_size = 144
optim_wrapper.optimizer.lr = 4e-5
