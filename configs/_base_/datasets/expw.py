"""ExpW at 224x224: 91,793 faces cut out of web photos by their boxes, in ten random folds; else as raf_db.py.

Fold 0 of 10 is the test. Another: --cfg-options train_dataloader.dataset.fold=3, likewise val_ and test_dataloader.
"""

from mmengine.config import read_base

from mmfer.datasets import CropFace, ExpW, KFold

with read_base():
    from .raf_db import *

data_root = 'data/expw'
train_pipeline.insert(1, dict(type=CropFace))
test_pipeline.insert(1, dict(type=CropFace))
train_dataloader.dataset = dict(
    type=KFold,
    fold=0,
    part='train',
    dataset=dict(type=ExpW, data_root=data_root, pipeline=train_pipeline),
)
val_dataloader.dataset = dict(
    type=KFold,
    fold=0,
    part='test',
    dataset=dict(type=ExpW, data_root=data_root, pipeline=test_pipeline, test_mode=True),
)
test_dataloader.dataset = val_dataloader.dataset
