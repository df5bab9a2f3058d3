"""AdamW with a one-cycle rate, for networks trained from scratch on the CPU."""

from mmengine.optim import OneCycleLR, OptimWrapper
from torch.optim import AdamW

from mmfer.engine import FERTestLoop, FERTrainLoop, FERValLoop

max_epochs = 7
optim_wrapper = dict(
    type=OptimWrapper,
    optimizer=dict(type=AdamW, lr=2e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = [
    dict(type=OneCycleLR, eta_max=2e-3, total_steps=max_epochs, pct_start=0.2, convert_to_iter_based=True)
]
train_cfg = dict(type=FERTrainLoop, max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type=FERValLoop)
test_cfg = dict(type=FERTestLoop)
