"""Checkpoints of a tiny network whose head has learned a little: what calibration needs."""

import copy
import functools
import warnings

import numpy as np
import torch
from small_runs import small_config

from mmfer.apis import init_model
from mmfer.datasets import SynthFER
from mmfer.utils.checkpoint import write_checkpoint

HEADS = {
    'vich': dict(type='VICHead', integrate=True),
    'linear': dict(type='LinearHead'),
    'evidential': dict(type='EvidentialHead'),
    'mc_dropout': dict(type='MCDropoutHead', test_samples=10),
    'ensemble': dict(type='EnsembleHead', feature_fraction=0.5),
}


def config_with(head, work_dir):
    """A small run with 40 faces for test and 60 others for validation, which show all classes."""
    config = small_config(work_dir)
    config.model.head = dict(HEADS[head], num_classes=7, in_channels=16)
    config.val_dataloader.dataset.update(split='val', num_samples=60, serialize_data=False)
    config.test_dataloader = copy.deepcopy(config.val_dataloader)
    config.test_dataloader.dataset.update(split='test', num_samples=40)
    return config


@functools.lru_cache
def faces(split, num_samples):
    """The same faces as a data set."""
    return SynthFER(split=split, num_samples=num_samples, size=32, cache=True, serialize_data=False)


def train_head(head, folder):
    """A checkpoint of a random network whose head learned faces of all splits."""
    config = config_with(head, folder)
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        model = init_model(config)
    sets = [faces('val', 60), faces('test', 40)]
    imgs = torch.stack([torch.from_numpy(info['img']).permute(2, 0, 1) for part in sets for info in part])
    labels = torch.from_numpy(np.concatenate([part.get_gt_labels() for part in sets]))
    with torch.no_grad():
        feats = model.extract_feat(model.data_preprocessor(dict(inputs=imgs, data_samples=None))['inputs'])[-1]
    optimizer = torch.optim.Adam(model.head.parameters(), lr=0.1)
    for _ in range(60):
        loss = sum(model.head.train().losses(feats, labels).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    meta = dict(epoch=3, iter=9, dataset_meta=dict(classes=SynthFER.METAINFO['classes']))
    write_checkpoint(dict(state_dict=model.state_dict(), meta=meta), folder / 'epoch_3.pth')
    return folder / 'epoch_3.pth'
