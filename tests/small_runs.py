"""Runs that take seconds."""

from pathlib import Path

import torch

from mmfer.apis import load_config
from mmfer.registry import MODELS

ROOT = Path(__file__).resolve().parents[1]


def small_config(work_dir, epochs=1):
    """configs/poster_var/synth.py, cut to a few faces and a narrow network."""
    config = load_config(ROOT / 'configs/poster_var/synth.py')
    config.work_dir = str(work_dir)
    for loader, num in ((config.train_dataloader, 28), (config.val_dataloader, 14), (config.test_dataloader, 14)):
        loader.batch_size = 14
        loader.dataset.update(num_samples=num, size=32)
    for loader in (config.val_dataloader, config.test_dataloader):
        loader.dataset.pipeline[1].size = (32, 32)
    backbone, neck = config.model.backbone, config.model.neck
    backbone.update(input_size=32)
    backbone.image.update(channels=(8, 8, 8), num_blocks=(1, 1, 1))
    backbone.landmark.update(width=0.125, num_blocks=(0, 0, 0))
    neck.update(image_channels=(8, 8, 8), landmark_channels=(8, 16, 64), feature_sizes=(8, 4, 2), num_heads=(2, 2, 2))
    neck.update(embed_dims=16)
    config.model.head.in_channels = 16
    config.train_cfg.max_epochs = epochs
    config.param_scheduler[0].total_steps = epochs
    return config


def small_model(work_dir):
    """The model of that config, initialised and in training."""
    torch.manual_seed(0)
    model = MODELS.build(small_config(work_dir).model)
    model.init_weights()
    return model.train()


def shallow_config(work_dir, epochs=1):
    """The same with one residual block for a network, in half the time: for tests of what goes on around it."""
    config = small_config(work_dir, epochs)
    config.model.backbone = dict(type='IRNet', channels=(8,), num_blocks=(1,), out_indices=(0,))
    config.model.neck = dict(type='mmpretrain.GlobalAveragePooling')
    config.model.head.in_channels = 8
    return config
