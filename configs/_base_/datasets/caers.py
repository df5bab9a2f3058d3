"""CAER-S at 224x224: 48,995 training and 20,987 test frames of TV series, uncropped; else as raf_db.py."""

from mmengine.config import read_base

from mmfer.datasets import CAERS

with read_base():
    from .raf_db import *

data_root = 'data/caer_s'
train_dataloader.dataset = dict(type=CAERS, data_root=data_root, split='train', pipeline=train_pipeline)
val_dataloader.dataset = dict(type=CAERS, data_root=data_root, split='test', pipeline=test_pipeline, test_mode=True)
test_dataloader.dataset = dict(type=CAERS, data_root=data_root, split='test', pipeline=test_pipeline, test_mode=True)
