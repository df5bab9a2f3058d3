"""A small residual network with VICH for faces of 48x48 pixels: 0.73 M parameters, 130 MFLOPs."""

from mmpretrain.models import GlobalAveragePooling, ImageClassifier

from mmfer.models import CompactResNet, FERDataPreprocessor, VICHead

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor, mean=(128.0, 128.0, 128.0), std=(64.0, 64.0, 64.0)),
    backbone=dict(type=CompactResNet, channels=(32, 64, 128), num_blocks=(2, 2, 2), drop_rate=0.3),
    neck=dict(type=GlobalAveragePooling),
    head=dict(type=VICHead, num_classes=8, in_channels=128),
)
channels_last = True
