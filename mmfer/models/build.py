from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from mmfer.registry import MODELS
from mmfer.utils.checkpoint import checkpoint_classes, list_checkpoints, load_checkpoint
from mmfer.utils.checkpoint_reader import CheckpointError
from mmfer.utils.config_options import load_config
from mmfer.utils.model_index import model_info
from mmfer.utils.nesting import leaves
from mmfer.utils.state_dict import find_state_dict
from mmfer.weights import checkpoint_file, shipped_file

from .heads.calibration import adopt_calibration, drop_calibration
from .released.names import KINDS, detect_kind
from .released.weights import PARTS, fill

CONVERT = 'mmfer convert RELEASED.pth OUT.pth --config'


def init_model(
    config: str | Path | Config,
    checkpoint: str | Path | None = None,
    device: str | torch.device = 'cpu',
) -> nn.Module:
    """The model of a config in eval mode, with its weights.

    ``model(images, mode='tensor')`` takes normalised RGB images (B, 3, H, W) and returns logits (B, K);
    ``model(images, mode='predict')`` returns one DataSample an image; ``model.classes`` names the classes in label
    order where the checkpoint knows them. The predictions of a calibrated checkpoint (mmfer calibrate) are
    calibrated, its logits are not; ``model.head.calibration = None`` takes that back. ``model.abstention`` is what the
    checkpoint says of that (``threshold`` in nats and how it was found), or None, and ``model.sets`` what it says of
    prediction sets.

    Args:
        config: Config file or object, of which only ``model`` is used, or a name of :func:`mmfer.list_models`.
        checkpoint: A checkpoint that mmfer trained or converted, or the name of a shipped model. None leaves random
            weights, with a warning.
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
    model.classes = model.abstention = model.sets = None
    if checkpoint is None:
        warnings.warn(
            'init_model without a checkpoint: the model has random weights, and its predictions mean nothing',
            stacklevel=2,
        )
    else:
        checkpoint = checkpoint_file(checkpoint)
        _check_is_there(checkpoint, config.filename)
        content = load_checkpoint(checkpoint)
        state = find_state_dict(content)
        _refuse_released(state, checkpoint, config.filename)
        adopt_calibration(model, state)
        fill(model, state, str(checkpoint))
        model.classes = checkpoint_classes(content) or None
        _check_num_classes(model, f'the weights of {checkpoint}')
        meta = content.get('meta') or {}
        model.abstention, model.sets = meta.get('abstention') or None, meta.get('sets') or None
    model.to(device)
    return model.eval()


def _check_num_classes(model: nn.Module, source: str) -> None:
    number = getattr(getattr(model, 'head', None), 'num_classes', None)
    names = model.classes or ()
    if names and number not in (None, len(names)):
        raise ValueError(
            f'model.head.num_classes={number}, but {source} have {len(names)} classes ({", ".join(names)}). '
            f'Set model.head.num_classes={len(names)}, or choose the classes of the data (MapClasses). '
            '(mmfer explain num-classes)'
        )


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
        f'checkpoint not found: {checkpoint} (in {checkpoint.parent}: {_weights_in(checkpoint.parent)}). '
        f'Train with mmfer train {config or "CONFIG"}, or convert what the authors released with mmfer convert '
        '(mmfer explain missing-weights)'
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
            f'{checkpoint} holds {KINDS[kind]} under the names of its authors. Convert it first: '
            f'mmfer convert {checkpoint} OUT.pth --config {config or "CONFIG"}'
        )


def get_model(name: str, checkpoint: str | Path | None = None, device: Any = 'cpu', pretrained: bool = True) -> Any:
    """The model of a name in eval mode, with its weights, as :func:`mmfer.init_model` returns it.

    mmfer ships the weights of ``poster_var_ferplus_small``. Those of others come from a training, or from what authors
    released, converted.

    Args:
        name: One of :func:`list_models`.
        checkpoint: A checkpoint that mmfer trained or converted. By default the newest that the config's own training
            left in ``work_dirs``, and if that was calibrated (``<name>_calibrated.pth``), the calibrated one.
        device: Where the model goes.
        pretrained: False leaves random weights, and needs no checkpoint.

    Raises:
        FileNotFoundError: If there is no checkpoint; the message says what is missing and how to get it.
        ValueError: If there is no such model, or the checkpoint does not fit it.
    """
    info = model_info(name)
    if not pretrained and checkpoint is not None:
        raise ValueError(f'pretrained=False leaves random weights: no checkpoint={checkpoint} beside it')
    if pretrained:
        checkpoint = checkpoint or find_weights(info)

    with warnings.catch_warnings():
        if not pretrained:
            warnings.filterwarnings('ignore', 'init_model without a checkpoint')
        return init_model(info['config'], checkpoint, device)


def find_weights(info: Mapping[str, Any]) -> Path:
    """The newest checkpoint of a model's own training, calibrated where there is such a one, else the shipped one.

    Args:
        info: Of :func:`model_info`.

    Raises:
        FileNotFoundError: If there is none, with all that is missing.
    """
    for path in list_checkpoints(info['work_dir']):
        calibrated = path.with_name(f'{path.stem}_calibrated.pth')
        return calibrated if calibrated.is_file() and _same_weights(path, calibrated) else path
    shipped = shipped_file(info['name'], '.safetensors')
    if shipped is not None:
        return shipped
    raise FileNotFoundError('\n'.join(_what_is_missing(info)))


def _same_weights(checkpoint: Path, calibrated: Path) -> bool:
    """Whether a calibrated checkpoint was made from this one, and not from one of an earlier training of its name."""
    own, theirs = (find_state_dict(load_checkpoint(path)) for path in (checkpoint, calibrated))
    drop_calibration(theirs)
    return own.keys() == theirs.keys() and all(torch.equal(own[name], theirs[name]) for name in own)


def _what_is_missing(info: Mapping[str, Any]) -> Iterator[str]:
    folder, config = Path(info['work_dir']), os.path.relpath(info['config'])
    config = info['config'] if config.startswith(os.pardir) else config
    yield f'{info["name"]}: there is no checkpoint, and mmfer ships none. Looked for epoch_*.pth in {folder}.'
    others = sorted(folder.glob('**/*.pth'))
    if others:
        yield f'  There are {", ".join(map(str, others[:5]))}: pass one of them as checkpoint.'
    yield f'  Train it: mmfer train {config}'
    settings = load_config(config)
    data = settings.get('train_dataloader', {}).get('dataset', {})
    for root in dict.fromkeys(each.get('data_root') for each in leaves(data)):
        if root and not Path(root).exists():
            yield f'    needs the data in {root}, which is not there: docs/datasets.md says where they come from'
    for kind, path in _pretrained_parts(settings.model):
        origin = f': {PARTS[kind][2]}' if kind in PARTS else ''
        yield f'    starts from {path}, which is {"" if Path(path).is_file() else "not "}there{origin}'
    if not any(result['measured'] for result in info['results']):  # else it is a network of mmfer's own
        where = info['code_url'] or info['paper_url']
        yield f'  Or convert what its authors released (see {where}), if you have it: {CONVERT} {config}'
    yield '  Then pass the file as checkpoint. pretrained=False (get_model) leaves random weights.'
    yield '  (mmfer explain missing-weights)'


def _pretrained_parts(model: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Class and file of each part of a model's config that a training starts from."""
    init = model.get('init_cfg') or {}
    if isinstance(init, Mapping) and init.get('checkpoint'):
        kind = model['type']
        yield kind if isinstance(kind, str) else kind.__name__, init['checkpoint']
    for value in model.values():
        if isinstance(value, Mapping) and 'type' in value:
            yield from _pretrained_parts(value)
