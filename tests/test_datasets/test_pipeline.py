"""The whole way from files to batches, with mmcv's and mmpretrain's transforms between ours, in worker processes."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, pseudo_collate
from mmengine.runner import Runner

from mmfer.datasets import ColorJitter, FolderDataset, LoadImageFromFile, PackInputs

TRAIN = [
    dict(type=LoadImageFromFile),
    dict(type='Resize', scale=(32, 32)),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type=ColorJitter, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.1),
    dict(type='mmpretrain.RandomErasing', erase_prob=0.5, min_area_ratio=0.02, max_area_ratio=0.1, mode='rand'),
    dict(type=PackInputs),
]


@pytest.mark.parametrize('workers', [0, 2])
def test_batches(tmp_path, workers):
    rng = np.random.RandomState(0)
    for folder in ('happy', 'sad', 'neutral'):
        (tmp_path / folder).mkdir()
        for i in range(4):
            size = rng.randint(20, 60, 2)
            cv2.imwrite(str(tmp_path / folder / f'{i}.jpg'), rng.randint(0, 256, (*size, 3), dtype=np.uint8))
    settings = dict(
        batch_size=5,
        num_workers=workers,
        dataset=dict(type=FolderDataset, data_root=str(tmp_path), pipeline=TRAIN),
        sampler=dict(type=DefaultSampler, shuffle=True, seed=0),
        collate_fn=dict(type=pseudo_collate),
    )
    paths = []
    for batch in Runner.build_dataloader(settings, seed=0):
        assert all(img.dtype == torch.uint8 and img.shape == (3, 32, 32) for img in batch['inputs'])
        for data_sample in batch['data_samples']:
            name = ('neutral', 'happiness', 'sadness')[int(data_sample.gt_label)]
            assert name[:3] in data_sample.img_path
            assert data_sample.img_shape == (32, 32)
            assert data_sample.ori_shape != (32, 32)
            paths.append(data_sample.img_path)
    assert len(set(paths)) == 12
