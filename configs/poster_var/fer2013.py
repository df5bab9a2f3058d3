"""POSTER-Var on the real faces of FER2013, from scratch: both streams start at random, both are trained.

Expected: not measured yet; it needs a GPU.
With pretrained streams: --cfg-options model.backbone.image.init_cfg.type=Pretrained
model.backbone.image.init_cfg.checkpoint=FILE, likewise landmark, and param_scheduler.0.eta_max=9e-6.
Labels: FER2013's own order, anger, disgust, fear, happiness, sadness, surprise, neutral.
Needs: data/fer2013 (see README.md).
Command: mmfer train poster_var/fer2013
"""

from mmcv.transforms import Resize
from mmengine.config import read_base
from mmpretrain.datasets.transforms import RandomResizedCrop

with read_base():
    from .._base_.datasets.fer2013 import *
    from .._base_.default_runtime import *
    from .._base_.models.poster_var import *
    from .._base_.schedules.tiny import *

# both streams look at 112x112 pixels: the 48x48 faces need not be blown up further
size = 112
resize = dict(type=Resize, scale=(size, size))
crop = dict(type=RandomResizedCrop, scale=size, crop_ratio_range=(0.7, 1.0), aspect_ratio_range=(0.9, 1.1))
train_dataloader.dataset.pipeline[1] = crop
for loader in (val_dataloader, test_dataloader):
    loader.dataset.pipeline[1] = resize
for loader in (train_dataloader, val_dataloader, test_dataloader):
    loader.update(num_workers=8, persistent_workers=True)
model.backbone.image.init_cfg = dict()  # random; options of the command line can be put into it
model.backbone.landmark.init_cfg = dict()
model.neck.layer_scale = 0.1
max_epochs = 40
optim_wrapper.optimizer.lr = 5e-4
param_scheduler[0].update(eta_max=5e-4, total_steps=max_epochs)
train_cfg.max_epochs = max_epochs
