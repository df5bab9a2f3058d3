"""SynthFER at 40x40: 6,000 drawn faces for training, 2,000 for test.

They are drawn once and kept in ~/.cache/mmfer, 38 MB (the environment variable MMFER_CACHE moves it). The label
is the majority of ten simulated votes; the true distribution reaches the test results as gt_distribution.
"""

from mmcv.transforms import RandomFlip
from mmengine.dataset import DefaultSampler

from mmfer.datasets import ImageResize, LoadImageFromFile, PackInputs, SynthFER, stack_images
from mmfer.evaluation import ExpressionMetric

train_pipeline = [dict(type=RandomFlip, prob=0.5), dict(type=PackInputs)]
# the first two do nothing to these faces, but they let a model trained on them be tested on photos (test.py --data)
test_pipeline = [
    dict(type=LoadImageFromFile),
    dict(type=ImageResize, size=(40, 40)),
    dict(type=PackInputs, keep_score=True),
]
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    drop_last=True,
    sampler=dict(type=DefaultSampler, shuffle=True),
    collate_fn=dict(type=stack_images),
    pin_memory=True,
    dataset=dict(type=SynthFER, split='train', size=40, cache='disk', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=250,
    num_workers=0,
    sampler=dict(type=DefaultSampler, shuffle=False),
    collate_fn=dict(type=stack_images),
    pin_memory=True,
    dataset=dict(type=SynthFER, split='test', size=40, cache='disk', pipeline=test_pipeline, test_mode=True),
)
test_dataloader = val_dataloader
val_evaluator = dict(type=ExpressionMetric)
test_evaluator = val_evaluator
