"""A tiny EAC on SynthFER: a ResNet-18 of a quarter of the width at full resolution, maps of 5x5 cells.

Paper of the full network: https://arxiv.org/abs/2207.10299
Expected: not measured yet; Bayes-optimal accuracy 93.00 %.
Labels: neutral, happiness, sadness, surprise, fear, disgust, anger; majority of ten simulated votes.
Command: mmfer train eac/synth
"""

from mmengine.config import read_base
from mmpretrain.models import ImageClassifier

from mmfer.datasets import ImageRandomErasing
from mmfer.models import EACHead, FaceResNet, TwoViewPreprocessor

with read_base():
    from .._base_.datasets.synth_fer import *
    from .._base_.default_runtime import *
    from .._base_.schedules.tiny import *

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=TwoViewPreprocessor),  # ImageNet's mean and deviation, RGB
    backbone=dict(type=FaceResNet, depth=18, width=16, layout='small'),
    head=dict(type=EACHead, num_classes=7, in_channels=128),
)
erase = dict(type=ImageRandomErasing, p=0.5, scale=(0.02, 0.25))
train_dataloader.dataset.pipeline = [erase, dict(type=PackInputs)]  # no flip: the second view is the flipped image
channels_last = True
