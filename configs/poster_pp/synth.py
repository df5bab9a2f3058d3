"""A tiny POSTER++ on SynthFER: no GELU, level embeddings or LayerNorm at the tokens, and a linear head.

Paper of the full network: https://arxiv.org/abs/2301.12149
Expected: 84.85 % accuracy, 91.2 % of the Bayes-optimal one (seed 0, 2 CPU cores, 4 minutes; README.md; measured before
the engine seeded samples by their place).
Labels: neutral, happiness, sadness, surprise, fear, disgust, anger; majority of ten simulated votes.
Command: mmfer train poster_pp/synth
"""

from mmengine.config import read_base

from mmfer.models import LinearHead

with read_base():
    from .._base_.datasets.synth_fer import *
    from .._base_.default_runtime import *
    from .._base_.models.poster_var_tiny import *
    from .._base_.schedules.tiny import *

model.neck.update(nonlinear=False, layer_embed=False, token_norm=False)
model.head = dict(type=LinearHead, num_classes=7, in_channels=96)
