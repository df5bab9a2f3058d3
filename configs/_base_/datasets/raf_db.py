"""RAF-DB basic at 224x224; surprise, fear, disgust, happiness, sadness, anger, neutral, in the order of its list.

12,271 aligned faces for training, 3,068 for test, by EmoLabel/list_patition_label.txt. There is no validation part: as
in the papers, the test part is evaluated after each epoch, so the best epoch is chosen on it. The last is logged too.

There is no face_crop here: the images come aligned by their authors, and the release does not say onto which places, so
that AlignFace, which takes ArcFace's, would be another alignment. Faces of photos are cut out with a margin and not
turned. For a model that sees photos as it saw its training, align the originals of the release
(mmfer data align), train on these, and set the face_crop that the tool prints.
"""

from mmcv.transforms import RandomFlip
from mmengine.dataset import DefaultSampler

from mmfer.datasets import (
    RAFDB,
    ColorJitter,
    ImageRandomErasing,
    ImageResize,
    LoadImageFromFile,
    PackInputs,
    stack_images,
)
from mmfer.evaluation import ExpressionMetric

train_pipeline = [
    dict(type=LoadImageFromFile),
    dict(type=ImageResize, size=(224, 224)),
    dict(type=RandomFlip, prob=0.5),
    dict(type=ColorJitter, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.1),
    # with the mean colour, which the data preprocessor turns into 0
    dict(type=ImageRandomErasing, p=0.5, scale=(0.02, 0.1)),
    dict(type=PackInputs),
]
test_pipeline = [
    dict(type=LoadImageFromFile),
    dict(type=ImageResize, size=(224, 224)),
    dict(type=PackInputs),
]
train_dataloader = dict(
    batch_size=48,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type=DefaultSampler, shuffle=True),
    collate_fn=dict(type=stack_images),
    pin_memory=True,
    dataset=dict(type=RAFDB, data_root='data/raf_db', split='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type=DefaultSampler, shuffle=False),
    collate_fn=dict(type=stack_images),
    pin_memory=True,
    dataset=dict(type=RAFDB, data_root='data/raf_db', split='test', pipeline=test_pipeline, test_mode=True),
)
test_dataloader = val_dataloader
val_evaluator = dict(type=ExpressionMetric)
test_evaluator = val_evaluator
