"""A batch for measurements that need no data."""

from __future__ import annotations

import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DefaultScope

from mmfer.utils.nesting import leaves, shared_pipeline


def stand_in_batch(config: Config, mode: str, size: int) -> dict:
    """A batch of random images that went through the pipeline of the config, uint8 in the host's memory.

    Raises:
        ValueError: If the config has no pipeline, or several.
    """
    loader = 'train_dataloader' if mode == 'train' else 'test_dataloader'
    data = (config.get(loader) or {}).get('dataset') or {}
    steps = shared_pipeline(data, f'{config.filename}: {loader}')
    if not steps:
        raise ValueError(f'{config.filename}: {loader}.dataset has no pipeline')
    classes, side = config.model['head'].get('num_classes', 2), leaves(data)[0].get('size')
    if side is None:  # training may augment images that are stored at the size of the test
        stored = mode == 'train' and config.get('test_dataloader')
        side = max(stand_in_batch(config, 'infer', 1)['inputs'][0].shape[-2:]) if stored else 224
    with DefaultScope.overwrite_default_scope('mmfer'):
        pipeline = Compose(steps)
    packed = []
    for i in range(size):
        img = np.random.randint(0, 256, (side, side, 3), dtype=np.uint8)
        score = np.eye(classes, dtype=np.float32)[i % classes]
        shapes = dict(img_shape=(side, side), ori_shape=(side, side))
        labels = dict(gt_label=i % classes, gt_score=score, votes=score.astype(np.int64))
        packed.append(pipeline(dict(img=img, img_path='', sample_idx=i, **labels, **shapes)))
    return pseudo_collate(packed)
