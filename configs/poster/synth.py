"""A tiny POSTER on SynthFER: all its parts, nine tokens a stream and two pyramid blocks.

Paper of the full network: https://arxiv.org/abs/2204.04083
Expected: not measured yet; Bayes-optimal accuracy 93.00 %.
Labels: neutral, happiness, sadness, surprise, fear, disgust, anger; majority of ten simulated votes.
Command: mmfer train poster/synth
"""

from mmengine.config import read_base
from mmpretrain.models import ImageClassifier

from mmfer.models import FERDataPreprocessor, IRNet, LinearHead, MobileFaceNet, SoftCrossEntropyLoss, TwoStreamBackbone
from mmfer.models.necks import PosterPyramidNeck

with read_base():
    from .._base_.datasets.synth_fer import *
    from .._base_.default_runtime import *
    from .._base_.schedules.tiny import *

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),  # ImageNet's mean and deviation, RGB
    backbone=dict(
        type=TwoStreamBackbone,
        image=dict(type=IRNet, channels=(16, 48, 90), num_blocks=(1, 2, 3), out_indices=(2,)),
        landmark=dict(type=MobileFaceNet, width=0.25, num_blocks=(1, 1, 1), out_indices=(2,)),
        norm_eval=False,
        input_size=40,
    ),
    # 90 maps of 5x5 pixels are nine tokens of ten maps
    neck=dict(
        type=PosterPyramidNeck,
        image_channels=90,
        image_size=5,
        landmark_channels=128,
        feature_size=3,
        embed_dims=128,
        depth=2,
        num_heads=4,
        drop_path=0.1,
    ),
    head=dict(
        type=LinearHead,
        num_classes=7,
        in_channels=128,
        loss=dict(type=SoftCrossEntropyLoss, label_smoothing=0.4 / 3, loss_weight=3.0),  # as in raf.py
    ),
)
channels_last = True
