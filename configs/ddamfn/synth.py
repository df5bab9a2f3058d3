"""A tiny DDAMFN on SynthFER: a MixedFeatureNet of half the width and few units.

Paper of the full network: https://doi.org/10.3390/electronics12173595
Expected: not measured yet; Bayes-optimal accuracy 93.00 %.
Labels: neutral, happiness, sadness, surprise, fear, disgust, anger; majority of ten simulated votes.
Command: mmfer train ddamfn/synth
"""

from mmengine.config import read_base
from mmpretrain.models import ImageClassifier

from mmfer.models import DDAMFNHead, DDAMFNNeck, FERDataPreprocessor, MixedFeatureNet

with read_base():
    from .._base_.datasets.synth_fer import *
    from .._base_.default_runtime import *
    from .._base_.schedules.tiny import *

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),  # ImageNet's mean and deviation, RGB
    backbone=dict(type=MixedFeatureNet, width=0.5, num_blocks=(3, 4, 2)),
    neck=dict(type=DDAMFNNeck, in_channels=256, feature_size=3, num_heads=2),
    head=dict(type=DDAMFNHead, num_classes=7, in_channels=256),
)
