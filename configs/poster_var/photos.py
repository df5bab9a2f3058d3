"""Photos of your own, in folders that are named as expressions, from the weights that come with mmfer.

Expected: 77.2 % of 180 test faces for 300 faces of FER2013 a class (seed 0, docs/own_photos.md).
Labels: ``names`` below, in that order; copy this file and write your own.
Needs: data/photos/<expression>/*.jpg, faces that are cut out already (mmfer data align).
Command: mmfer train poster_var/photos
"""

from mmengine.config import read_base

from mmfer.datasets import FolderDataset, KFold, PackInputs

with read_base():
    from .._base_.datasets.ferplus48 import *
    from .._base_.default_runtime import *
    from .._base_.models.compact_vich import *
    from .._base_.schedules.finetune import *

names = ('anger', 'happiness', 'sadness')
data_root = 'data/photos'
for loader, part in ((train_dataloader, 'train'), (val_dataloader, 'test'), (test_dataloader, 'test')):
    pipeline = [*loader.dataset.pipeline[:-1], dict(type=PackInputs)]
    photos = dict(type=FolderDataset, data_root=data_root, classes=names, pipeline=pipeline)
    loader.dataset = dict(type=KFold, dataset=photos, fold=0, num_folds=5, part=part)
train_dataloader.batch_size = 32
test_evaluator = val_evaluator  # folders have no votes
model.head.num_classes = len(names)
load_from = 'poster_var_ferplus_small'
max_epochs = 20
optim_wrapper.optimizer.lr = 5e-4
param_scheduler[1].T_max = max_epochs - 1
param_scheduler[1].end = max_epochs
train_cfg.max_epochs = max_epochs
