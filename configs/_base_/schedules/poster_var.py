"""POSTER-Var's schedule for RAF-DB: SAM (rho 0.05), AdamW 9e-6 x 0.98 an epoch, weight decay 1e-4, 300 epochs."""

from mmengine.optim import ExponentialLR
from torch.optim import AdamW

from mmfer.engine import FERTestLoop, FERTrainLoop, FERValLoop
from mmfer.engine.optim_wrappers import SAMOptimWrapper

optim_wrapper = dict(type=SAMOptimWrapper, rho=0.05, optimizer=dict(type=AdamW, lr=9e-6, weight_decay=1e-4))
param_scheduler = [dict(type=ExponentialLR, gamma=0.98, by_epoch=True)]
train_cfg = dict(type=FERTrainLoop, max_epochs=300, val_interval=1)
val_cfg = dict(type=FERValLoop)
test_cfg = dict(type=FERTestLoop)
