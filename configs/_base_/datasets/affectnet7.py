"""AffectNet at 224x224; neutral, happiness, sadness, surprise, fear, disgust, anger: 283,901 training faces.

As in the papers, the validation part (500 faces a class) is the test, as the test labels are not public. An epoch has
5,000 faces of each class, drawn anew each time, with replacement where a class has fewer.
Either layout is read: the 2017 lists over uncropped images, whose faces are cut out by their boxes, or the folders
of 2021; or the lists that mmfer data prepare wrote, which is fastest.
"""

from mmcv.transforms import RandomFlip
from mmengine.dataset import DefaultSampler

from mmfer.datasets import (
    AffectNet,
    BalancedSampler,
    ColorJitter,
    CropFace,
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
    dict(type=CropFace),
    dict(type=ImageResize, size=(236, 236)),
    dict(type=RandomFlip, prob=0.5),
    dict(type=ImageRandomRotation, degrees=12),
    dict(type=ImageRandomCrop, size=224),
    dict(type=ColorJitter, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.1),
    dict(type=ImageRandomErasing, p=0.5, scale=(0.03, 0.1)),
    dict(type=PackInputs),
]
test_pipeline = [
    dict(type=LoadImageFromFile),
    dict(type=CropFace),
    dict(type=ImageResize, size=(236, 236)),
    dict(type=ImageCenterCrop, size=224),
    dict(type=PackInputs),
]
train_dataloader = dict(
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type=BalancedSampler, num_per_class=5000),
    dataset=dict(type=AffectNet, data_root='data/affectnet', split='train', num_classes=7, pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type=DefaultSampler, shuffle=False),
    collate_fn=dict(type=stack_images),
    pin_memory=True,
    dataset=dict(
        type=AffectNet, data_root='data/affectnet', split='val', num_classes=7, pipeline=test_pipeline, test_mode=True
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type=ExpressionMetric)
test_evaluator = val_evaluator
