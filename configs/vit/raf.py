"""ViT-S/16 on RAF-DB with a linear head, by the recipe of _base_/schedules/finetune.py.

Paper of the network: https://arxiv.org/abs/2010.11929
Expected: not measured yet.
Labels: RAF-DB's own list, 1..7 = surprise, fear, disgust, happiness, sadness, anger, neutral.
Needs: data/raf_db (docs/datasets.md), pretrained/vit_small.pth (README.md).
Command: mmfer train vit/raf
"""

from mmengine.config import read_base
from mmpretrain.models import ImageClassifier, VisionTransformer

from mmfer.models import FERDataPreprocessor, LinearHead

with read_base():
    from .._base_.datasets.raf_db import *
    from .._base_.default_runtime import *
    from .._base_.schedules.finetune import *

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),  # ImageNet's mean and deviation, RGB
    backbone=dict(
        type=VisionTransformer,
        arch='deit-small',  # 384 wide, 12 blocks, 6 heads
        img_size=224,
        patch_size=16,
        drop_path_rate=0.1,
        init_cfg=dict(type='Pretrained', checkpoint='pretrained/vit_small.pth'),
    ),
    head=dict(type=LinearHead, num_classes=7, in_channels=384),
)
train_dataloader.batch_size = 64
