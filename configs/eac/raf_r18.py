"""EAC with ResNet-18 on RAF-DB: another network and its learning rate, everything else as in raf.py.

Paper: https://arxiv.org/abs/2207.10299
Expected: not measured. The learning rate is the one that the authors advise for ResNet-18.
Labels: RAF-DB's own list, 1..7 = surprise, fear, disgust, happiness, sadness, anger, neutral.
Needs: data/raf_db (docs/datasets.md), pretrained/resnet18_msceleb.pth (README.md).
Command: mmfer train eac/raf_r18
"""

from mmengine.config import read_base

from mmfer.models import FaceResNet

with read_base():
    from .raf import *

model.backbone = dict(
    type=FaceResNet, depth=18, init_cfg=dict(type='Pretrained', checkpoint='pretrained/resnet18_msceleb.pth')
)
model.head.in_channels = 512
optim_wrapper.optimizer.lr = 2e-4
