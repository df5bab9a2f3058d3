"""POSTER (large) on AffectNet with eight classes, trained as affectnet7.py.

Paper: https://arxiv.org/abs/2204.04083
Expected: 63.34 % accuracy, reported by the paper.
Labels: AffectNet's own, 0..7 = neutral, happiness, sadness, surprise, fear, disgust, anger, contempt; the validation
part is the test. Training draws every class as often.
Needs: data/affectnet (docs/datasets.md), pretrained/ir50.pth, pretrained/mobilefacenet_model_best.pth.tar (README.md).
Command: mmfer train poster/affectnet8
"""

from mmengine.config import read_base

with read_base():
    from .affectnet7 import *

for loader in (train_dataloader, val_dataloader, test_dataloader):
    loader.dataset.num_classes = 8
model.head.num_classes = 8
