"""The smallest MobileNetV3 on SynthFER, behind an enlargement to 80x80: half the width of the small one.

Paper of the network: https://arxiv.org/abs/1905.02244
Expected: not measured yet; Bayes-optimal accuracy 93.00 %.
Labels: neutral, happiness, sadness, surprise, fear, disgust, anger; majority of ten simulated votes.
Command: mmfer train mobilenet_v3/synth
"""

from mmengine.config import read_base
from mmpretrain.models import GlobalAveragePooling, ImageClassifier, MobileNetV3

from mmfer.models import FERDataPreprocessor, LinearHead

with read_base():
    from .._base_.datasets.synth_fer import *
    from .._base_.default_runtime import *
    from .._base_.schedules.tiny import *

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),  # ImageNet's mean and deviation, RGB
    # With its own momentum, 0.01, running statistics lag by 100 iterations, a quarter of a training as short as this.
    backbone=dict(type=MobileNetV3, arch='small_050', norm_cfg=dict(type='BN', eps=0.001, momentum=0.1)),
    neck=dict(type=GlobalAveragePooling),
    head=dict(type=LinearHead, num_classes=7, in_channels=288),
)
size = (80, 80)  # the network divides by 32
train_dataloader.dataset.pipeline.insert(0, dict(type=ImageResize, size=size))
for loader in (val_dataloader, test_dataloader):
    loader.dataset.pipeline[1].size = size
del loader
channels_last = True
