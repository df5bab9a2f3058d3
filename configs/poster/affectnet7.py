"""POSTER (large) on AffectNet with seven classes.

Paper: https://arxiv.org/abs/2204.04083
Expected: 67.31 % accuracy, reported by the paper with SAM (rho 0.05) around Adam, as here. The authors' AffectNet
loader feeds RGB, unlike their RAF-DB loader; so does this config.
Labels: AffectNet's own, 0..6 = neutral, happiness, sadness, surprise, fear, disgust, anger; the validation part is the
test. Training draws every class as often.
Needs: data/affectnet (docs/datasets.md), pretrained/ir50.pth, pretrained/mobilefacenet_model_best.pth.tar (README.md).
Command: mmfer train poster/affectnet7
"""

from mmcv.transforms import RandomFlip
from mmengine.config import read_base

from mmfer.datasets import CropFace, ImageRandomErasing, ImageResize, ImbalancedSampler, LoadImageFromFile, PackInputs

with read_base():
    from .._base_.datasets.affectnet7 import *
    from .._base_.default_runtime import *
    from .raf import model, optim_wrapper, param_scheduler, test_cfg, train_cfg, val_cfg

model.data_preprocessor.to_rgb = True
load = [dict(type=LoadImageFromFile), dict(type=CropFace), dict(type=ImageResize, size=(224, 224))]
train_dataloader.dataset.pipeline = [
    *load,
    dict(type=RandomFlip, prob=0.5),
    dict(type=ImageRandomErasing, p=0.5, scale=(0.02, 0.1)),
    dict(type=PackInputs),
]
for loader in (val_dataloader, test_dataloader):
    loader.dataset.pipeline = [*load, dict(type=PackInputs)]
train_dataloader.update(batch_size=200, sampler=dict(type=ImbalancedSampler))
optim_wrapper.optimizer.lr = 2e-6
