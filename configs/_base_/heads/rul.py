"""RUL: features mixed by relative uncertainty. The last batch of an epoch must not be a single image."""

from mmfer.models import RULHead

head = dict(type=RULHead)
train_dataloader = dict(drop_last=True)
