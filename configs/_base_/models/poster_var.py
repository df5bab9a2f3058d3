"""POSTER-Var as published: 43.76 M parameters, 224x224 input that both streams see at 112x112."""

from mmpretrain.models import ImageClassifier

from mmfer.models import FERDataPreprocessor, IRNet, MobileFaceNet, PyramidFusionNeck, TwoStreamBackbone, VICHead

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),  # ImageNet's mean and deviation, RGB
    backbone=dict(
        type=TwoStreamBackbone,
        image=dict(type=IRNet, depth=50, init_cfg=dict(type='Pretrained', checkpoint='pretrained/ir50.pth')),
        landmark=dict(
            type=MobileFaceNet,
            init_cfg=dict(type='Pretrained', checkpoint='pretrained/mobilefacenet_model_best.pth.tar'),
        ),
        norm_eval=False,  # the authors' frozen landmark stream runs in train mode, so its statistics drift
    ),
    neck=dict(type=PyramidFusionNeck),
    head=dict(type=VICHead, num_classes=7, in_channels=768),
)
channels_last = True
