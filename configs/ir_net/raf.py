"""IR-50 on RAF-DB at 112x112 with a linear head, by the recipe of _base_/schedules/finetune.py.

Paper of the units: https://arxiv.org/abs/1801.07698
Expected: not measured yet. It is the image stream of the POSTER family alone. Without pretrained weights:
--cfg-options model.backbone.init_cfg=None.
Labels: RAF-DB's own list, 1..7 = surprise, fear, disgust, happiness, sadness, anger, neutral.
Needs: data/raf_db (docs/datasets.md), pretrained/ir50.pth (README.md).
Command: mmfer train ir_net/raf
"""

from mmengine.config import read_base
from mmpretrain.models import GlobalAveragePooling, ImageClassifier

from mmfer.models import FERDataPreprocessor, IRNet, LinearHead

with read_base():
    from .._base_.datasets.raf_db import *
    from .._base_.default_runtime import *
    from .._base_.schedules.finetune import *

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),  # ImageNet's mean and deviation, RGB, as in the POSTER family
    backbone=dict(
        type=IRNet, depth=50, out_indices=(2,), init_cfg=dict(type='Pretrained', checkpoint='pretrained/ir50.pth')
    ),
    neck=dict(type=GlobalAveragePooling),
    head=dict(type=LinearHead, num_classes=7, in_channels=256),
)
for loader in (train_dataloader, val_dataloader, test_dataloader):
    loader.dataset.pipeline[1].size = (112, 112)
train_dataloader.batch_size = 64
