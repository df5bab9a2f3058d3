"""FER+ at 224x224; neutral, happiness, surprise, sadness, anger, disgust, fear, contempt.

Training: 28,389 faces, every one whose most votes go to an expression; the target is the eight votes / 10.
Validation and test: the majority rule, 3,199 and 3,153 faces. Papers differ in the rule; every result names it.
"""

from mmcv.transforms import RandomFlip
from mmengine.dataset import DefaultSampler

from mmfer.datasets import (
    ColorJitter,
    FERPlus,
    ImageCenterCrop,
    ImageRandomCrop,
    ImageRandomErasing,
    ImageRandomRotation,
    ImageResize,
    LoadImageFromFile,
    PackInputs,
    stack_images,
)
from mmfer.evaluation import ExpressionMetric

train_pipeline = [
    dict(type=LoadImageFromFile),
    dict(type=ImageResize, size=(232, 232)),
    dict(type=RandomFlip, prob=0.5),
    dict(type=ImageRandomRotation, degrees=10),
    dict(type=ImageRandomCrop, size=224),
    dict(type=ColorJitter, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.1),
    dict(type=ImageRandomErasing, p=0.5, scale=(0.02, 0.1)),
    dict(type=PackInputs, soft_label=True),
]
test_pipeline = [
    dict(type=LoadImageFromFile),
    dict(type=ImageResize, size=(232, 232)),
    dict(type=ImageCenterCrop, size=224),
    dict(type=PackInputs, keep_score=True),
]
data_root = 'data/ferplus'
train_dataloader = dict(
    batch_size=48,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type=DefaultSampler, shuffle=True),
    collate_fn=dict(type=stack_images),
    pin_memory=True,
    dataset=dict(type=FERPlus, data_root=data_root, split='train', rule='votes', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type=DefaultSampler, shuffle=False),
    collate_fn=dict(type=stack_images),
    pin_memory=True,
    dataset=dict(
        type=FERPlus, data_root=data_root, split='val', rule='majority', pipeline=test_pipeline, test_mode=True
    ),
)
test_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type=DefaultSampler, shuffle=False),
    collate_fn=dict(type=stack_images),
    pin_memory=True,
    dataset=dict(
        type=FERPlus, data_root=data_root, split='test', rule='majority', pipeline=test_pipeline, test_mode=True
    ),
)
val_evaluator = dict(type=ExpressionMetric)
test_evaluator = val_evaluator
