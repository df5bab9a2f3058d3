"""JAFFE at 224x224, ten people, one in each fold; else as raf_db.py.

Fold 0 of 10 is the test. Another: --cfg-options train_dataloader.dataset.fold=3, likewise val_ and test_dataloader.
"""

from mmengine.config import read_base

from mmfer.datasets import JAFFE, KFold

with read_base():
    from .raf_db import *

data_root = 'data/jaffe'
train_dataloader.dataset = dict(
    type=KFold,
    fold=0,
    part='train',
    dataset=dict(type=JAFFE, data_root=data_root, pipeline=train_pipeline),
)
val_dataloader.dataset = dict(
    type=KFold,
    fold=0,
    part='test',
    dataset=dict(type=JAFFE, data_root=data_root, pipeline=test_pipeline, test_mode=True),
)
test_dataloader.dataset = val_dataloader.dataset
