"""FER2013, 48x48 grey faces, at 40x40; classes anger, disgust, fear, happiness, sadness, surprise, neutral.

Expects data/fer2013/fer2013.csv, or class folders data/fer2013/{train,test}/<class>/*.jpg. Copies in circulation differ
in what they count as test. The folders have no validation part, so the test part is evaluated after each epoch.
"""

from mmcv.transforms import RandomFlip, Resize
from mmengine.dataset import DefaultSampler
from mmpretrain.datasets.transforms import RandomErasing, RandomResizedCrop

from mmfer.datasets import FER2013, LoadImageFromFile, PackInputs, stack_images
from mmfer.evaluation import ExpressionMetric

train_pipeline = [
    dict(type=LoadImageFromFile),
    dict(type=RandomResizedCrop, scale=40, crop_ratio_range=(0.7, 1.0), aspect_ratio_range=(0.9, 1.1)),
    dict(type=RandomFlip, prob=0.5),
    dict(type=RandomErasing, erase_prob=0.25, min_area_ratio=0.02, max_area_ratio=0.1, fill_color=(104, 116, 124)),
    dict(type=PackInputs),
]
test_pipeline = [dict(type=LoadImageFromFile), dict(type=Resize, scale=(40, 40)), dict(type=PackInputs)]
train_dataloader = dict(
    batch_size=128,
    num_workers=0,
    drop_last=True,
    sampler=dict(type=DefaultSampler, shuffle=True),
    collate_fn=dict(type=stack_images),
    pin_memory=True,
    dataset=dict(type=FER2013, data_root='data/fer2013', split='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=256,
    num_workers=0,
    sampler=dict(type=DefaultSampler, shuffle=False),
    collate_fn=dict(type=stack_images),
    pin_memory=True,
    dataset=dict(type=FER2013, data_root='data/fer2013', split='test', pipeline=test_pipeline, test_mode=True),
)
test_dataloader = val_dataloader
val_evaluator = dict(type=ExpressionMetric)
test_evaluator = val_evaluator
