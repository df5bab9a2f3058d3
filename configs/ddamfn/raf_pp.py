"""DDAMFN++ on RAF-DB: the network of DDAMFN, trained with SAM.

Paper of the network: https://doi.org/10.3390/electronics12173595
Expected: 92.34 % accuracy, quoted in other papers; the authors reach it with faces aligned anew (README.md).
Labels: RAF-DB's own list, 1..7 = surprise, fear, disgust, happiness, sadness, anger, neutral.
Needs: data/raf_db (docs/datasets.md), pretrained/MFN_msceleb.pth (README.md).
Command: mmfer train ddamfn/raf_pp
"""

from mmengine.config import read_base
from mmengine.optim import ExponentialLR
from torch.optim import Adam

from mmfer.engine.optim_wrappers import SAMOptimWrapper

with read_base():
    from .raf import *

train_dataloader.batch_size = 128
train_dataloader.dataset.pipeline[3].prob = 0.5  # of turning and shifting
optim_wrapper = dict(type=SAMOptimWrapper, rho=0.05, optimizer=dict(type=Adam, lr=5e-4))
param_scheduler = [dict(type=ExponentialLR, gamma=0.9, by_epoch=True)]
train_cfg.max_epochs = 60
