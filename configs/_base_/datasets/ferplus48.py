"""FER+ at its own 48x48 pixels, trained on the votes.

Labels: neutral, happiness, surprise, sadness, anger, disgust, fear, contempt.
Training: the 28,389 faces whose most votes go to an expression, less those that have a copy among the validation and
test faces, also a mirrored, cropped, turned or brightened one; the target is the eight votes, made to sum to 1,
or for heads that learn from votes these themselves.
Validation and test: the majority rule, 3,199 and 3,153 faces. Expects data/ferplus (docs/datasets.md).
"""

from mmcv.transforms import RandomFlip
from mmengine.dataset import DefaultSampler

from mmfer.datasets import (
    CropFace,
    FERPlus,
    ImageRandomErasing,
    ImageResize,
    LoadImageFromFile,
    PackInputs,
    RandomAffine,
    RandomCamera,
    stack_images,
)
from mmfer.evaluation import CalibrationMetric, DistributionMetric, ExpressionMetric, SelectiveMetric, VoteMetric

train_pipeline = [
    dict(type=LoadImageFromFile),
    dict(type=RandomAffine, degrees=15, scale=0.15, stretch=0.06, shift=0.12),
    dict(type=RandomFlip, prob=0.5),
    dict(
        type=RandomCamera,
        resolution=0.5,
        resolution_prob=0.2,
        side_light=60,
        contrast=0.35,
        brightness=32,
        gamma=0.3,
        noise=6,
    ),
    dict(type=ImageRandomErasing, p=0.5, scale=(0.03, 0.2), value=(128, 128, 128)),
    dict(type=PackInputs, soft_label=True, votes=True),
]
test_pipeline = [
    dict(type=LoadImageFromFile),
    dict(type=ImageResize, size=(48, 48)),
    dict(type=PackInputs, keep_score=True, votes=True),
]
data_root = 'data/ferplus'
train_dataloader = dict(
    batch_size=128,
    num_workers=0,
    drop_last=True,
    sampler=dict(type=DefaultSampler, shuffle=True),
    collate_fn=dict(type=stack_images),
    pin_memory=True,
    dataset=dict(
        type=FERPlus, data_root=data_root, split='train', rule='argmax', exclude='copies', pipeline=train_pipeline
    ),
)
val_dataloader = dict(
    batch_size=256,
    num_workers=0,
    sampler=dict(type=DefaultSampler, shuffle=False),
    collate_fn=dict(type=stack_images),
    pin_memory=True,
    dataset=dict(
        type=FERPlus, data_root=data_root, split='val', rule='majority', pipeline=test_pipeline, test_mode=True
    ),
)
test_dataloader = dict(
    batch_size=256,
    num_workers=0,
    sampler=dict(type=DefaultSampler, shuffle=False),
    collate_fn=dict(type=stack_images),
    pin_memory=True,
    dataset=dict(
        type=FERPlus, data_root=data_root, split='test', rule='majority', pipeline=test_pipeline, test_mode=True
    ),
)
val_evaluator = dict(type=ExpressionMetric)
test_evaluator = [
    dict(type=ExpressionMetric),
    dict(type=CalibrationMetric, bootstrap=1000),
    dict(type=SelectiveMetric, bootstrap=1000),
    dict(type=DistributionMetric, bootstrap=1000),
    dict(type=VoteMetric, bootstrap=1000),
]
face_crop = dict(type=CropFace, margin=0.0)  # the framing of FER+ around the boxes of the detectors
