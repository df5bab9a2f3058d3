"""A tiny Swin transformer on SynthFER: 10x10 tokens in windows of 5x5, two stages.

Paper of the network: https://arxiv.org/abs/2103.14030
Expected: not measured yet; Bayes-optimal accuracy 93.00 %.
Labels: neutral, happiness, sadness, surprise, fear, disgust, anger; majority of ten simulated votes.
Command: mmfer train swin/synth
"""

from mmengine.config import read_base
from mmpretrain.models import GlobalAveragePooling, ImageClassifier, SwinTransformer

from mmfer.models import FERDataPreprocessor, LinearHead

with read_base():
    from .._base_.datasets.synth_fer import *
    from .._base_.default_runtime import *
    from .._base_.schedules.tiny import *

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),  # ImageNet's mean and deviation, RGB
    backbone=dict(
        type=SwinTransformer,
        arch=dict(embed_dims=48, depths=[2, 2], num_heads=[3, 6]),
        img_size=40,
        patch_size=4,
        window_size=5,
        out_indices=(1,),
    ),
    neck=dict(type=GlobalAveragePooling),
    head=dict(type=LinearHead, num_classes=7, in_channels=96),
)
