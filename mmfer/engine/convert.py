from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import torch
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from mmfer.datasets.config_classes import config_classes
from mmfer.models.released.names import KINDS, own_part
from mmfer.models.released.weights import PART_OF_KIND, PARTS, check_layout, fill, read_released
from mmfer.registry import MODELS
from mmfer.utils.checkpoint import classes_text
from mmfer.utils.checkpoint_reader import CheckpointError, show
from mmfer.utils.config_options import load_config
from mmfer.utils.files import sha256, whole_file


def _build_target(config: str | os.PathLike, part: str | None) -> tuple[nn.Module, list[str]]:
    """The model of a config and the classes of its data set, or the backbone that is ``part`` and no classes."""
    cfg = load_config(config)
    if not cfg.get('model'):
        raise CheckpointError(f'{config} has no model. Give the config of a model, such as configs/poster_var/raf.py.')
    model, classes = cfg.model, None
    if part:
        model = model.get('backbone') or model
        model = (model.get(PARTS[part][0]) if PARTS[part][0] else None) or model
    else:
        classes = config_classes(cfg)
    with DefaultScope.overwrite_default_scope('mmfer'):
        return MODELS.build(model), list(classes or ())


def _write(destination: Path, weights: dict[str, Tensor], meta: dict) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(destination) as part:
        if destination.suffix == '.safetensors':
            from safetensors.torch import save_file

            flat = {k: value if isinstance(value, str) else classes_text(value['classes']) for k, value in meta.items()}
            save_file(weights, part, metadata=flat)
        else:
            torch.save({'state_dict': weights, 'meta': meta}, part)


def convert(source: str | os.PathLike, destination: str | os.PathLike, config: str, force: bool = False) -> str:
    """Writes the weights of a released file under mmfer's names, and returns a report to print.

    Args:
        source: The released file.
        destination: The new file: ``{'state_dict': ..., 'meta': ...}`` for ``torch.load(weights_only=True)``, or
            safetensors where its name ends so. It appears complete or not at all.
        config: The config whose model the weights fill. Weights of a single stream fill its ``model.backbone.image`` or
            ``model.backbone.landmark``, or its backbone, and those of a backbone its backbone.
        force: Whether an existing destination is replaced.

    Raises:
        OSError: If the source or the config is missing, or the destination exists.
        CheckpointError: If the source cannot be read or does not fit.
    """
    source, destination = Path(source), Path(destination)
    if destination.exists() and source.exists() and destination.samefile(source):
        raise FileExistsError(f'{destination} is the source itself. Choose another name.')
    if destination.exists() and not force:
        raise FileExistsError(f'{destination} exists. Choose another name, or replace it with --force.')
    state, kind, dropped = read_released(source)
    part = PART_OF_KIND.get(kind)
    if part and not PARTS[part][0]:
        state = {name.removeprefix('backbone.'): tensor for name, tensor in state.items()}
    target, classes = _build_target(config, part or own_part(state))
    check_layout(target, kind, source)
    report = fill(target, state, str(source))
    meta = dict(source=source.name, sha256=sha256(source), kind=kind, config=Path(config).name)
    if classes:
        meta['dataset_meta'] = dict(classes=classes)
    _write(destination, {name: tensor.contiguous() for name, tensor in target.state_dict().items()}, meta)
    groups = Counter(re.sub(r'\d+', '*', '.'.join(name.split('.')[:2])) for name in dropped + report.dropped)
    return '\n'.join(
        [
            f'{source.name}: {KINDS[kind]}',
            f'filled {report.tensors} tensors of {type(target).__name__}, {report.parameters / 1e6:.2f} M parameters',
            f'dropped {sum(groups.values())} tensors without use',
            *(f'  {count:4} {show(name)}' for name, count in sorted(groups.items())),
            *([f'classes, by the config: {", ".join(classes)}'] if classes else []),
            f'wrote {destination}',
        ]
    )
