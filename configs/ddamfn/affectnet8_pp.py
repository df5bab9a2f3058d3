"""DDAMFN++ on AffectNet with eight classes, trained as affectnet7_pp.py.

Paper of the network: https://doi.org/10.3390/electronics12173595
Expected: 65.04 % accuracy, quoted in other papers; the authors reach it with faces aligned anew (README.md).
Labels: AffectNet's own, 0..7 = neutral, happiness, sadness, surprise, fear, disgust, anger, contempt; the validation
part is the test. Training draws every class as often.
Needs: data/affectnet (docs/datasets.md), pretrained/MFN_msceleb.pth (README.md).
Command: mmfer train ddamfn/affectnet8_pp
"""

from mmengine.config import read_base

with read_base():
    from .affectnet7_pp import *

for loader in (train_dataloader, val_dataloader, test_dataloader):
    loader.dataset.num_classes = 8
model.head.num_classes = 8
