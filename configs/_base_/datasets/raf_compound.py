"""RAF-DB compound at 224x224: eleven compound expressions, 3,162 training and 792 test faces; else as raf_db.py."""

from mmengine.config import read_base

from mmfer.datasets import RAFDBCompound

with read_base():
    from .raf_db import *

for loader in (train_dataloader, val_dataloader, test_dataloader):
    loader.dataset.update(type=RAFDBCompound, data_root='data/raf_compound')
