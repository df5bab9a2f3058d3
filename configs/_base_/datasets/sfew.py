"""SFEW 2.0 at 224x224, aligned faces; the validation part is the test, as its test labels are not public."""

from mmengine.config import read_base

from mmfer.datasets import SFEW

with read_base():
    from .raf_db import *

data_root = 'data/sfew'
train_dataloader.dataset = dict(type=SFEW, data_root=data_root, split='train', pipeline=train_pipeline)
val_dataloader.dataset = dict(type=SFEW, data_root=data_root, split='val', pipeline=test_pipeline, test_mode=True)
test_dataloader.dataset = dict(type=SFEW, data_root=data_root, split='val', pipeline=test_pipeline, test_mode=True)
