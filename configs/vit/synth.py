"""A tiny ViT on SynthFER: 8x8 tokens of 5x5 pixels, four blocks.

Paper of the network: https://arxiv.org/abs/2010.11929
Expected: not measured yet; Bayes-optimal accuracy 93.00 %.
Labels: neutral, happiness, sadness, surprise, fear, disgust, anger; majority of ten simulated votes.
Command: mmfer train vit/synth
"""

from mmengine.config import read_base
from mmpretrain.models import ImageClassifier, VisionTransformer

from mmfer.models import FERDataPreprocessor, LinearHead

with read_base():
    from .._base_.datasets.synth_fer import *
    from .._base_.default_runtime import *
    from .._base_.schedules.tiny import *

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),  # ImageNet's mean and deviation, RGB
    backbone=dict(
        type=VisionTransformer,
        arch=dict(embed_dims=96, num_layers=4, num_heads=4, feedforward_channels=192),
        img_size=40,
        patch_size=5,
    ),
    head=dict(type=LinearHead, num_classes=7, in_channels=96),
)
