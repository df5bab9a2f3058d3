"""Pretrained networks on equal terms: AdamW 1e-4, one epoch of warm-up, a cosine over 40 epochs, weight decay 0.05.

It is mmfer's own recipe for plain networks, not one of a paper.
"""

from mmengine.optim import CosineAnnealingLR, LinearLR, OptimWrapper
from torch.optim import AdamW

from mmfer.engine import FERTestLoop, FERTrainLoop, FERValLoop

max_epochs = 40
optim_wrapper = dict(
    type=OptimWrapper,
    optimizer=dict(type=AdamW, lr=1e-4, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = [
    dict(type=LinearLR, start_factor=0.01, end=1, convert_to_iter_based=True),
    dict(type=CosineAnnealingLR, T_max=max_epochs - 1, begin=1, end=max_epochs, convert_to_iter_based=True),
]
train_cfg = dict(type=FERTrainLoop, max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type=FERValLoop)
test_cfg = dict(type=FERTestLoop)
