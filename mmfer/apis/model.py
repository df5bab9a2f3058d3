from __future__ import annotations

import warnings
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from mmfer.models.heads.calibration import adopt_calibration
from mmfer.registry import MODELS
from mmfer.utils import find_state_dict
from mmfer.utils.checkpoint import load_checkpoint
from mmfer.utils.released_weights import fill

from .run import load_config


def init_model(
    config: str | Path | Config, checkpoint: str | Path | None = None, device: str | torch.device = 'cpu'
) -> nn.Module:
    """The model of a config in eval mode, with its weights.

    ``model(images, mode='tensor')`` takes normalised RGB images (B, 3, H, W) and returns logits (B, K);
    ``model(images, mode='predict')`` returns one DataSample an image; ``model.classes`` names the classes in label
    order where the checkpoint knows them. The predictions of a calibrated checkpoint (tools/analysis/calibrate.py) are
    calibrated, its logits are not; ``model.head.calibration = None`` takes that back.

    Args:
        config: Config file or object; only its ``model`` is used.
        checkpoint: A checkpoint that mmfer trained or converted. None leaves random weights, with a warning.
        device: Where the model goes.

    Raises:
        FileNotFoundError: If the config or the checkpoint does not exist.
        ValueError: If the checkpoint is damaged, carries code, or does not fit the model.
    """
    if not isinstance(config, Config):
        config = load_config(config)
    with DefaultScope.overwrite_default_scope('mmfer'):
        model = MODELS.build(config.model)
    model.classes = None
    if checkpoint is None:
        warnings.warn('init_model without a checkpoint: the model has random weights', stacklevel=2)
    else:
        content = load_checkpoint(checkpoint)
        state = find_state_dict(content)
        adopt_calibration(model, state)
        fill(model, state, str(checkpoint))
        meta = content.get('meta') or {}
        model.classes = tuple((meta.get('dataset_meta') or {}).get('classes') or ()) or None
    model.to(device)
    model.eval()
    return model
