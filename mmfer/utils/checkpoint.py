"""Writing and reading mmfer's own checkpoints: tensors, numbers and strings, never code.

Files of other origin are read by ``mmfer.utils.checkpoint_reader``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from safetensors import safe_open


def to_plain(obj: Any) -> Any:
    """``obj`` made of dict, list, tuple, tensor, number, string and None alone; anything else becomes its ``str``."""
    if obj is None or type(obj) in (bool, int, float, str):
        return obj
    if isinstance(obj, torch.Tensor):
        return obj.detach()
    if isinstance(obj, np.generic):  # before the built-in types: np.float64 is a float, but not a plain one
        return obj.item()
    for kind in (int, float, str):
        if isinstance(obj, kind):
            return kind(obj)
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
            return _load_safetensors(path)
        checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:
        code = re.search(r'GLOBAL (\S+)', str(error))
        reason = (
            f'it holds Python objects that could run code ({code[1]})' if code else 'it is damaged or no checkpoint'
        )
        raise ValueError(
            f'{path} cannot be loaded: {reason}. Weights released by others are read, without running anything, by '
            'tools/model_converters/convert_released.py.'
        ) from None
    if not isinstance(checkpoint, dict):
        raise ValueError(f'{path} cannot be loaded: it holds a {type(checkpoint).__name__}, not a dict of weights')
    return checkpoint


def _load_safetensors(path: Path) -> dict:
    with safe_open(path, 'pt') as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (a file is no mapping)
        meta = dict(file.metadata() or {})
    if 'dataset_meta' in meta:
        meta['dataset_meta'] = dict(classes=tuple(meta['dataset_meta'].split(',')))
    return dict(state_dict=state, meta=meta)


def replace_synced(part: Path, path: Path) -> None:
    """Rename ``part`` to ``path`` once its bytes are on disk: a killed run leaves no half-written file."""
    with open(part, 'rb+') as file:
        os.fsync(file.fileno())
    os.replace(part, path)
