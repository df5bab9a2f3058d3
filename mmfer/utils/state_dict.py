"""The weights in what a checkpoint holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from .checkpoint_reader import CheckpointError, Opaque, as_array, require, show

MAX_MODULES = 100_000  # of a pickled network, which may also contain itself
WRAPPERS = ('state_dict', 'model', 'model_state_dict', 'net', 'module')  # the last one is DeepSpeed's


def _module_state(module: Opaque) -> Iterator[tuple[str, Tensor]]:
    """Parameters and lasting buffers of a pickled ``nn.Module`` by their names, in its own order."""
    waiting, seen = [('', module)], 0
    while waiting:
        prefix, part = waiting.pop()
        seen += 1
        require(seen <= MAX_MODULES and prefix.count('.') <= 100, 'its network contains itself')
        own = part.state
        passing = own.get('_non_persistent_buffers_set') or ()
        for kind in ('_parameters', '_buffers'):
            for name, tensor in _items(own.get(kind)):
                if isinstance(tensor, Tensor) and not (kind == '_buffers' and name in passing):
                    yield prefix + name, tensor
        parts = [(f'{prefix}{name}.', child) for name, child in _items(own.get('_modules')) if _is_module(child)]
        waiting += reversed(parts)


def _items(value: Any) -> list[tuple[str, Any]]:
    return [(k, v) for k, v in value.items() if isinstance(k, str)] if isinstance(value, dict) else []


def _is_module(value: Any) -> bool:
    return isinstance(value, Opaque) and isinstance(value.state, dict) and '_modules' in value.state


def _as_tensor(value: Any) -> Tensor | None:
    array = as_array(value)
    if array is None:
        return value if isinstance(value, Tensor) else None
    try:
        return torch.from_numpy(array.astype(array.dtype.newbyteorder('=')))
    except TypeError:  # a type that this version of torch has not
        return None


def find_state_dict(content: Any) -> dict[str, Tensor]:
    """The state dict in what :func:`read_checkpoint` returned.

    Looks through the wrappers ``state_dict``, ``model``, ``model_state_dict``, ``net`` and ``module``, drops what is no
    tensor, and removes the prefixes of DataParallel (``module.``) and torch.compile (``_orig_mod.``). NumPy arrays
    become tensors. Of a network that was pickled as a whole, code and all, the tensors are taken.

    Args:
        content: The content of a checkpoint.

    Raises:
        CheckpointError: If there are no named tensors; the message lists what is there.
    """
    found = content
    for _ in range(4):
        if isinstance(found, dict):
            found = next((v for v in map(found.get, WRAPPERS) if isinstance(v, dict) or _is_module(v)), found)
    pairs = _module_state(found) if _is_module(found) else found.items() if isinstance(found, dict) else ()
    pairs = dict(pairs)
    tensors = {k: _as_tensor(v) for k, v in pairs.items() if isinstance(k, str)}
    tensors = {k: v for k, v in tensors.items() if v is not None}
    if not tensors:
        types = {k: v.name if isinstance(v, Opaque) else type(v).__name__ for k, v in pairs.items()}
        entries = ', '.join(f'{show(str(k))} ({show(v)})' for k, v in list(types.items())[:10])
        kind = content.name if isinstance(content, Opaque) else type(content).__name__
        there = f'a dict of {len(types)} keys: {entries}' if isinstance(found, dict) else f'one object, {show(kind)}'
        raise CheckpointError(
            f'no state dict found: the file holds {there}. Save the model as '
            "torch.save({'state_dict': model.state_dict()}, FILE), or give another file."
        )
    state: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        short = name.replace('_orig_mod.', '')
        while short.startswith('module.'):
            short = short[len('module.') :]
        require(short not in state, f'two tensors are named {show(short)} without "module."', 'Give a single model')
        state[short] = tensor
    return state
