"""DDAMFN on the real faces of FER2013, from scratch.

Paper: https://doi.org/10.3390/electronics12173595; it has no results on FER2013.
Expected: not measured yet; it needs a GPU.
Labels: FER2013's own order, anger, disgust, fear, happiness, sadness, surprise, neutral.
Needs: data/fer2013 (see README.md).
Command: mmfer train ddamfn/fer2013
"""

from mmcv.transforms import Resize
from mmengine.config import read_base
from mmpretrain.datasets.transforms import RandomResizedCrop

with read_base():
    from .._base_.datasets.fer2013 import *
    from .._base_.default_runtime import *
    from .._base_.schedules.tiny import *
    from .raf import model

crop = dict(type=RandomResizedCrop, scale=112, crop_ratio_range=(0.7, 1.0), aspect_ratio_range=(0.9, 1.1))
train_dataloader.dataset.pipeline[1] = crop
for loader in (val_dataloader, test_dataloader):
    loader.dataset.pipeline[1] = dict(type=Resize, scale=(112, 112))
for loader in (train_dataloader, val_dataloader, test_dataloader):
    loader.update(num_workers=8, persistent_workers=True)
model.backbone.init_cfg = None
max_epochs = 40
optim_wrapper.optimizer.lr = 1e-3
param_scheduler[0].update(eta_max=1e-3, total_steps=max_epochs)
train_cfg.max_epochs = max_epochs
