"""The first training of the shipped model: VICH on a small residual network, from scratch on the votes of FER+.

Expected: 86.43 % accuracy by the majority rule, 87.09 % with --tta flip (seed 0, docs/results/ferplus_small).
Labels: FER+'s own order, neutral, happiness, surprise, sadness, anger, disgust, fear, contempt.
Needs: data/ferplus (docs/datasets.md).
Command: mmfer train poster_var/ferplus_small
    (on a CPU without AMX also try --cfg-options optim_wrapper.dtype=None, which can be faster there)
"""

from mmengine.config import read_base
from mmengine.hooks import EMAHook
from mmengine.model import MomentumAnnealingEMA
from mmengine.optim import OneCycleLR
from torch.optim import AdamW

with read_base():
    from .._base_.datasets.ferplus48 import *
    from .._base_.default_runtime import *
    from .._base_.models.compact_vich import *

from mmfer.engine import AutocastOptimWrapper, FERTestLoop, FERTrainLoop, FERValLoop

max_epochs = 120
optim_wrapper = dict(
    type=AutocastOptimWrapper,
    dtype='bfloat16',
    optimizer=dict(type=AdamW, lr=3e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=5.0),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
param_scheduler = [
    dict(type=OneCycleLR, eta_max=3e-3, total_steps=max_epochs, pct_start=0.2, convert_to_iter_based=True)
]
train_cfg = dict(type=FERTrainLoop, max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type=FERValLoop)
test_cfg = dict(type=FERTestLoop)
custom_hooks = [dict(type=EMAHook, ema_type=MomentumAnnealingEMA, momentum=0.001, gamma=10, update_buffers=True)]
