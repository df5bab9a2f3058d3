"""POSTER++ (POSTER V2) on RAF-DB.

Paper: POSTER++: A simpler and stronger facial expression recognition network, https://arxiv.org/abs/2301.12149
Expected: 92.21 % accuracy, reported by the paper with SAM (rho 0.05) around Adam, as here. The authors parse a
weight decay but never pass it on: none here.
Labels: RAF-DB's own list, 1..7 = surprise, fear, disgust, happiness, sadness, anger, neutral.
Needs: data/raf_db, pretrained/ir50.pth, pretrained/mobilefacenet_model_best.pth.tar (see README.md).
Command: mmfer train poster_pp/raf
"""

from mmcv.transforms import RandomFlip
from mmengine.config import read_base
from torch.optim import Adam

from mmfer.datasets import ImageRandomErasing, ImageResize, LoadImageFromFile, PackInputs
from mmfer.models import LinearHead

with read_base():
    from .._base_.datasets.raf_db import *
    from .._base_.default_runtime import *
    from .._base_.models.poster_var import *
    from .._base_.schedules.poster_var import *

model.neck.update(nonlinear=False, layer_embed=False, token_norm=False)
model.head = dict(type=LinearHead, num_classes=7, in_channels=768)
train_dataloader.batch_size = 144
train_dataloader.dataset.pipeline = [
    dict(type=LoadImageFromFile),
    dict(type=ImageResize, size=(224, 224)),
    dict(type=RandomFlip, prob=0.5),
    dict(type=ImageRandomErasing, p=0.5, scale=(0.02, 0.1)),
    dict(type=PackInputs),
]
optim_wrapper.optimizer = dict(type=Adam, lr=3.5e-5)
train_cfg.max_epochs = 200
