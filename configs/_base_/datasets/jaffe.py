"""JAFFE at 224x224, ten people, one in each fold; else as kdef.py.

Fold 0 of 10 is the test. Another: --cfg-options train_dataloader.dataset.fold=3, likewise val_ and test_dataloader.
"""

from mmengine.config import read_base

from mmfer.datasets import JAFFE

with read_base():
    from .kdef import *

for loader in (train_dataloader, val_dataloader, test_dataloader):
    loader.dataset.dataset.update(type=JAFFE, data_root='data/jaffe')
