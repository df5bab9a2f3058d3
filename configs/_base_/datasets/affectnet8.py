"""AffectNet with contempt as the eighth class: 287,651 training and about 4,000 validation faces; as affectnet7.py."""

from mmengine.config import read_base

with read_base():
    from .affectnet7 import *

for loader in (train_dataloader, val_dataloader, test_dataloader):
    loader.dataset.num_classes = 8
