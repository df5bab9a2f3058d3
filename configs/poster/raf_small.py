"""POSTER (small) on RAF-DB: four pyramid blocks instead of eight, everything else as in raf.py.

Paper: https://arxiv.org/abs/2204.04083
Expected: not measured yet.
Labels: RAF-DB's own list, 1..7 = surprise, fear, disgust, happiness, sadness, anger, neutral.
Needs: data/raf_db, pretrained/ir50.pth, pretrained/mobilefacenet_model_best.pth.tar (see README.md).
Command: mmfer train poster/raf_small
"""

from mmengine.config import read_base

with read_base():
    from .raf import *

model.neck.depth = 4
