"""Writing and reading mmfer's own checkpoints: tensors, numbers and strings, never code.

Files of other origin are read by ``mmfer.utils.checkpoint_reader``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer


def to_plain(obj: Any) -> Any:
    """``obj`` made of dict, list, tuple, tensor, number, string and None alone; anything else becomes its ``str``."""
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return obj
    if isinstance(obj, torch.Tensor):
        return obj.detach()
    if isinstance(obj, np.generic):
        return obj.item()
    if isinstance(obj, np.ndarray):
        return torch.from_numpy(obj.copy()) if obj.dtype.kind in 'biuf' else obj.tolist()
    if isinstance(obj, HistoryBuffer):
        history, counts = obj.data
        return dict(history=to_plain(history), counts=to_plain(counts), max_length=obj.max_length)
    if isinstance(obj, Mapping):
        return {key if isinstance(key, (int, float)) else str(key): to_plain(value) for key, value in obj.items()}
    if isinstance(obj, (list, tuple)):
        return type(obj)(map(to_plain, obj)) if type(obj) in (list, tuple) else [to_plain(item) for item in obj]
    if isinstance(obj, (set, frozenset)):
        return sorted(map(to_plain, obj))
    return str(obj)


def restore_message_hub(state: dict) -> dict:
    """The state of MMEngine's message hub as it was before :func:`to_plain`."""
    scalars = {
        name: HistoryBuffer(value['history'].tolist(), value['counts'].tolist(), value['max_length'])
        for name, value in state.get('log_scalars', {}).items()
    }
    return {**state, 'log_scalars': scalars}


def load_checkpoint(path: str | Path, map_location: Any = 'cpu') -> dict:
    """Read a checkpoint that mmfer wrote; nothing in the file is executed.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or holds more than tensors, numbers and strings.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint not found: {path}')
    try:
        if path.suffix == '.safetensors':
            from safetensors.torch import load_file

            return dict(state_dict=load_file(path))
        checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:
        reason = str(error).strip().splitlines()
        raise ValueError(
            f'{path} is not a checkpoint of mmfer: it is damaged, or holds Python objects that could run code '
            f'({reason[0] if reason else type(error).__name__}). Weights released by others are read with '
            'tools/model_converters/convert_released.py.'
        ) from None
    if not isinstance(checkpoint, dict):
        raise ValueError(f'{path} is not a checkpoint of mmfer: it holds a {type(checkpoint).__name__}')
    return checkpoint


def replace_synced(part: Path, path: Path) -> None:
    """Rename ``part`` to ``path`` once its bytes are on disk: a killed run leaves no half-written file."""
    with open(part, 'rb+') as file:
        os.fsync(file.fileno())
    os.replace(part, path)


def load_weights(model: torch.nn.Module, checkpoint: dict, source: str | Path) -> None:
    """Fill ``model`` from ``checkpoint`` completely, or not at all.

    Raises:
        ValueError: If names or shapes differ; the first ten of each kind are listed.
    """
    state = checkpoint.get('state_dict', checkpoint)
    state = {name[len('module.') :] if name.startswith('module.') else name: value for name, value in state.items()}
    own = model.state_dict()
    problems = {
        'missing in the file': [k for k in own if k not in state],
        'not in the model': [k for k in state if k not in own],
        'of another shape': [
            f'{k} (file {tuple(state[k].shape)}, model {tuple(own[k].shape)})'
            for k in own
            if k in state and state[k].shape != own[k].shape
        ],
    }
    if any(problems.values()):
        lines = [f'{source} does not fit the model of the config:']
        for what, names in problems.items():
            if names:
                more = f', ... ({len(names) - 10} more)' if len(names) > 10 else ''
                lines.append(f'  {len(names)} parameters {what}: {", ".join(names[:10])}{more}')
        lines.append('Use the config the checkpoint was trained with; weights released by others are converted first.')
        raise ValueError('\n'.join(lines))
    model.load_state_dict(state)
