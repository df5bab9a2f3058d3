from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config

from mmfer.utils.config_files import read_config
from mmfer.utils.nesting import leaves

HEADS = Path(__file__).resolve().parents[1] / 'configs/_base_/heads'
PARTS = ('head', 'data_preprocessor', 'custom_hooks', 'train_dataloader', 'votes')


def list_heads() -> dict[str, Path]:
    """The heads of ``configs/_base_/heads``: name -> file. Empty where mmfer was installed without its configs."""
    return {path.stem: path for path in sorted(HEADS.glob('*.py'))}


def swap_head(config: Config, head: str | Path) -> Config:
    """A copy of a config with another head.

    The head comes from a file with ``head = dict(type=..., options)``; the number of classes and of channels are those
    of the head that it takes the place of. The file may also have what the method needs beside its head:

    - ``data_preprocessor``: options set in that of the model, for example another ``type``;
    - ``custom_hooks``: a list, added to the config's;
    - ``train_dataloader``: options set in it;
    - ``votes``: True packs the votes of the training faces (``PackInputs(votes=True)``).

    Args:
        config: The config; it is left as it is.
        head: The name of a file in ``configs/_base_/heads`` without ``.py``, or the path of such a file.

    Raises:
        FileNotFoundError: If there is no such head.
        ValueError: If the file has something else, or the config has no head to take the place of.
    """
    path = _find(head)
    fragment = read_config(path).to_dict()
    parts = {name: value for name, value in fragment.items() if name in PARTS}
    others = sorted(set(fragment) - set(PARTS))
    if others or not isinstance(parts.get('head'), Mapping) or 'type' not in parts['head']:
        found = f'it has {", ".join(others)}' if others else 'it has no head = dict(type=...)'
        raise ValueError(f'{path} is not the file of a head: {found}; known are {", ".join(PARTS)}')
    old = (config.get('model') or {}).get('head')
    if not isinstance(old, Mapping) or not {'num_classes', 'in_channels'} <= set(old):
        raise ValueError(f'{config.filename}: its model.head has no num_classes and in_channels to take over')
    config = copy.deepcopy(config)
    sizes = {name: old[name] for name in ('num_classes', 'in_channels')}
    config.model.head = {**sizes, **parts['head']}
    if 'data_preprocessor' in parts:
        config.model.data_preprocessor = {**config.model.get('data_preprocessor', {}), **parts['data_preprocessor']}
    if 'custom_hooks' in parts:
        config.custom_hooks = [*(config.get('custom_hooks') or ()), *parts['custom_hooks']]
    if 'train_dataloader' in parts:
        config.train_dataloader = {**config.train_dataloader, **parts['train_dataloader']}
    if parts.get('votes'):
        pipelines = [part.get('pipeline') for part in leaves(config.train_dataloader.dataset)]
        for step in itertools.chain(*filter(None, (*pipelines, config.get('train_pipeline')))):
            if str(getattr(step['type'], '__name__', step['type'])).endswith('PackInputs'):
                step['votes'] = True
    return config


def _find(head: str | Path) -> Path:
    known = list_heads()
    if str(head) in known:
        return known[str(head)]
    path = Path(head)
    if path.suffix == '.py' and path.is_file():
        return path
    raise FileNotFoundError(
        f'no head {str(head)!r}: expected a file FILE.py, or one of '
        + (', '.join(known) or f'those in configs/_base_/heads, which is not beside this installation ({HEADS})')
    )
