"""A tiny RUL on SynthFER: a ResNet-18 of a quarter of the width at full resolution, maps of 5x5 cells.

Paper of the full network: https://proceedings.neurips.cc/paper/2021/hash/9332c513ef44b682e9347822c2e457ac-Abstract.html
Expected: not measured yet; Bayes-optimal accuracy 93.00 %.
Labels: neutral, happiness, sadness, surprise, fear, disgust, anger; majority of ten simulated votes.
Command: mmfer train rul/synth
"""

from mmengine.config import read_base
from mmpretrain.models import ImageClassifier

from mmfer.models import FaceResNet, FERDataPreprocessor, RULHead

with read_base():
    from .._base_.datasets.synth_fer import *
    from .._base_.default_runtime import *
    from .._base_.schedules.tiny import *

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),  # ImageNet's mean and deviation, RGB
    backbone=dict(type=FaceResNet, depth=18, width=16, layout='small'),
    head=dict(type=RULHead, num_classes=7, in_channels=128, map_size=5),
)
channels_last = True
