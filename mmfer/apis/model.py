from __future__ import annotations

import os
import warnings
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from mmfer.engine.class_names import check_num_classes
from mmfer.models.heads.calibration import adopt_calibration
from mmfer.registry import MODELS
from mmfer.utils.checkpoint import load_checkpoint
from mmfer.utils.checkpoint_reader import CheckpointError
from mmfer.utils.released_names import KINDS
from mmfer.utils.released_weights import detect_kind, fill
from mmfer.utils.state_dict import find_state_dict

from .models import model_info
from .run import load_config


def init_model(
    config: str | Path | Config,
    checkpoint: str | Path | None = None,
    device: str | torch.device = 'cpu',
) -> nn.Module:
    """The model of a config in eval mode, with its weights.

    ``model(images, mode='tensor')`` takes normalised RGB images (B, 3, H, W) and returns logits (B, K);
    ``model(images, mode='predict')`` returns one DataSample an image; ``model.classes`` names the classes in label
    order where the checkpoint knows them. The predictions of a calibrated checkpoint (tools/analysis/calibrate.py) are
    calibrated, its logits are not; ``model.head.calibration = None`` takes that back. ``model.abstention`` is what the
    checkpoint says of that (``threshold`` in nats and how it was found), or None.

    Args:
        config: Config file or object, of which only ``model`` is used, or a name of :func:`mmfer.apis.list_models`.
        checkpoint: A checkpoint that mmfer trained or converted. None leaves random weights, with a warning.
        device: Where the model goes.

    Raises:
        FileNotFoundError: If the config or the checkpoint does not exist; the message says what there is, and how to
            get a checkpoint.
        ValueError: If the checkpoint is damaged, carries code, or does not fit the model.
    """
    if not isinstance(config, Config):
        config = load_config(_path_of(config))
    with DefaultScope.overwrite_default_scope('mmfer'):
        model = MODELS.build(config.model)
    model.classes = model.abstention = None
    if checkpoint is None:
        warnings.warn(
            'init_model without a checkpoint: the model has random weights, and its predictions mean nothing',
            stacklevel=2,
        )
    else:
        _check_is_there(Path(checkpoint), config.filename)
        content = load_checkpoint(checkpoint)
        state = find_state_dict(content)
        _refuse_released(state, checkpoint, config.filename)
        adopt_calibration(model, state)
        fill(model, state, str(checkpoint))
        meta = content.get('meta') or {}
        model.classes = tuple((meta.get('dataset_meta') or {}).get('classes') or ()) or None
        check_num_classes(model, model.classes or (), f'the weights of {checkpoint}')
        model.abstention = meta.get('abstention') or None
    model.to(device)
    return model.eval()


def _path_of(config: str | Path) -> str | Path:
    """The config file of a name of the model index; paths stay."""
    if isinstance(config, str) and not config.endswith('.py') and os.sep not in config:
        return model_info(config)['config']
    return config


def _check_is_there(checkpoint: Path, config: str | None) -> None:
    if checkpoint.is_file():
        return
    if checkpoint.is_dir():
        raise FileNotFoundError(f'{checkpoint} is a folder, which holds {_weights_in(checkpoint)}: name one of them')
    raise FileNotFoundError(
        f'checkpoint not found: {checkpoint} (in {checkpoint.parent}: {_weights_in(checkpoint.parent)}). mmfer ships '
        f'no weights: train with tools/train.py {config or "CONFIG"}, or convert what the authors released '
        'with tools/model_converters/convert_released.py'
    )


def _weights_in(folder: Path) -> str:
    found = sorted(path.name for path in folder.glob('*') if path.suffix in ('.pth', '.safetensors', '.tar'))
    return ', '.join(found[:10]) + (f', ... {len(found) - 10} more' if len(found) > 10 else '') or 'no checkpoints'


def _refuse_released(state: dict, checkpoint: str | Path, config: str | None) -> None:
    """Say so where the weights are under the names of their authors."""
    try:
        kind = detect_kind(state)
    except CheckpointError:  # of another model of mmfer
        return
    if kind != 'mmfer':
        raise ValueError(
            f'{checkpoint} holds {KINDS[kind]} under the names of its authors. Convert it first: python '
            f'tools/model_converters/convert_released.py {checkpoint} OUT.pth --config {config or "CONFIG"}'
        )
