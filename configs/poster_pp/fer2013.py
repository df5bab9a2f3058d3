"""POSTER++ on the real faces of FER2013, from scratch, as POSTER-Var there.

Paper: https://arxiv.org/abs/2301.12149; it has no results on FER2013.
Expected: not measured yet; it needs a GPU.
Labels: FER2013's own order, anger, disgust, fear, happiness, sadness, surprise, neutral.
Needs: data/fer2013 (docs/datasets.md).
Command: mmfer train poster_pp/fer2013
"""

from mmengine.config import read_base

from mmfer.models import LinearHead

with read_base():
    from ..poster_var.fer2013 import *

model.neck.update(nonlinear=False, layer_embed=False, token_norm=False)
model.head = dict(type=LinearHead, num_classes=7, in_channels=768)
