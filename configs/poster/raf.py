"""POSTER (large) on RAF-DB.

Paper: POSTER: A Pyramid Cross-Fusion Transformer Network for Facial Expression Recognition,
https://arxiv.org/abs/2204.04083
Expected: 92.05 % accuracy, reported by the paper with SAM (rho 0.05) around Adam, as here. The authors' RAF-DB loader
feeds BGR, and so does this config: their weights for RAF-DB expect it.
Labels: RAF-DB's own list, 1..7 = surprise, fear, disgust, happiness, sadness, anger, neutral.
Needs: data/raf_db, pretrained/ir50.pth, pretrained/mobilefacenet_model_best.pth.tar (see README.md).
Command: mmfer train poster/raf
"""

from mmcv.transforms import RandomFlip
from mmengine.config import read_base
from mmpretrain.models import ImageClassifier
from torch.optim import Adam

from mmfer.datasets import ImageRandomErasing, ImageResize, LoadImageFromFile, PackInputs
from mmfer.models import FERDataPreprocessor, IRNet, LinearHead, MobileFaceNet, SoftCrossEntropyLoss, TwoStreamBackbone
from mmfer.models.necks import PosterPyramidNeck

with read_base():
    from .._base_.datasets.raf_db import *
    from .._base_.default_runtime import *
    from .._base_.schedules.poster_var import *

ir50 = dict(type='Pretrained', checkpoint='pretrained/ir50.pth')
mobile = dict(type='Pretrained', checkpoint='pretrained/mobilefacenet_model_best.pth.tar')
model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor, to_rgb=False),  # ImageNet's red mean on the blue channel, too
    backbone=dict(
        type=TwoStreamBackbone,
        image=dict(type=IRNet, depth=50, out_indices=(2,), init_cfg=ir50),
        landmark=dict(type=MobileFaceNet, out_indices=(2,), init_cfg=mobile),
        norm_eval=False,  # the authors' frozen landmark stream runs in train mode, so its statistics drift
    ),
    neck=dict(type=PosterPyramidNeck, depth=8),
    # cross entropy + 2 x the same with label smoothing 0.2: three times cross entropy with a smoothing of 2 / 3 x 0.2
    head=dict(
        type=LinearHead,
        num_classes=7,
        in_channels=512,
        loss=dict(type=SoftCrossEntropyLoss, label_smoothing=0.4 / 3, loss_weight=3.0),
    ),
)
train_dataloader.batch_size = 200
train_dataloader.dataset.pipeline = [
    dict(type=LoadImageFromFile),
    dict(type=ImageResize, size=(224, 224)),
    dict(type=RandomFlip, prob=0.5),
    dict(type=ImageRandomErasing, p=0.5, scale=(0.02, 0.1), value=(124, 116, 104)),  # the mean where the model sees BGR
    dict(type=PackInputs),
]
optim_wrapper.optimizer = dict(type=Adam, lr=4e-5)
