"""DDAMFN++ on AffectNet with seven classes: the network of DDAMFN, trained with SAM.

Paper of the network: https://doi.org/10.3390/electronics12173595
Expected: 67.36 % accuracy, quoted in other papers; the authors reach it with faces aligned anew (README.md).
Labels: AffectNet's own, 0..6 = neutral, happiness, sadness, surprise, fear, disgust, anger; the validation part is the
test. Training draws every class as often.
Needs: data/affectnet (docs/datasets.md), pretrained/MFN_msceleb.pth (README.md).
Command: mmfer train ddamfn/affectnet7_pp
"""

from mmengine.config import read_base
from mmengine.optim import ExponentialLR
from torch.optim import Adam

from mmfer.engine.optim_wrappers import SAMOptimWrapper

with read_base():
    from .affectnet7 import *

train_dataloader.dataset.pipeline[5].update(p=1.0, scale=(0.05, 0.05))  # erasing
optim_wrapper = dict(type=SAMOptimWrapper, rho=0.05, optimizer=dict(type=Adam, lr=1e-5))
param_scheduler = [dict(type=ExponentialLR, gamma=0.98, by_epoch=True)]
train_cfg.max_epochs = 200
