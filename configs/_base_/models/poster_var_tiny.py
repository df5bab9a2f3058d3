"""A POSTER-Var for the CPU, all parts present, for 40x40 input: 1.21 M parameters.

Both streams are trained from scratch, so the landmark stream is not frozen and norm_eval does not come into play.
"""

from mmpretrain.models import ImageClassifier

from mmfer.models import FERDataPreprocessor, IRNet, MobileFaceNet, PyramidFusionNeck, TwoStreamBackbone, VICHead

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),  # ImageNet's mean and deviation, RGB
    backbone=dict(
        type=TwoStreamBackbone,
        image=dict(type=IRNet, channels=(16, 48, 96), num_blocks=(1, 2, 3)),
        landmark=dict(type=MobileFaceNet, width=0.25, num_blocks=(1, 1, 1)),
        norm_eval=False,
        input_size=40,
    ),
    neck=dict(
        type=PyramidFusionNeck,
        image_channels=(16, 48, 96),
        landmark_channels=(16, 32, 128),
        feature_sizes=(10, 5, 3),
        num_heads=(2, 4, 8),
        drop_path=(0.0, 0.05, 0.1),
        layer_scale=0.1,  # trained from scratch, the fusion has to take part from the first epochs
        mlp_ratio=2.0,
        embed_dims=96,
        encoder_heads=4,
    ),
    head=dict(type=VICHead, num_classes=7, in_channels=96),
)
channels_last = True
