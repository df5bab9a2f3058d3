"""A small residual network on SynthFER, the one of fer2013_tiny.py.

Paper of the network: https://arxiv.org/abs/1801.07698
Expected: not measured yet; Bayes-optimal accuracy 93.00 %.
Labels: neutral, happiness, sadness, surprise, fear, disgust, anger; majority of ten simulated votes.
Command: mmfer train ir_net/synth
"""

from mmengine.config import read_base
from mmpretrain.models import GlobalAveragePooling, ImageClassifier

from mmfer.models import FERDataPreprocessor, IRNet, LinearHead

with read_base():
    from .._base_.datasets.synth_fer import *
    from .._base_.default_runtime import *
    from .._base_.schedules.tiny import *

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),  # ImageNet's mean and deviation, RGB
    backbone=dict(type=IRNet, channels=(16, 32, 64), num_blocks=(1, 2, 2), out_indices=(2,)),
    neck=dict(type=GlobalAveragePooling),
    head=dict(type=LinearHead, num_classes=7, in_channels=64),
)
channels_last = True
