"""The mark of a finished training: its metrics and the settings they were reached with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmfer.utils.checkpoint import write_text

MARKER = 'finished.json'
# What changes where and how a training runs, but not what it computes.
_UNIMPORTANT = ('work_dir', 'resume', 'launcher', 'visualizer', 'log_level', 'log_processor', 'randomness.seed')
_UNIMPORTANT += ('default_hooks.logger', 'default_hooks.timer', 'default_hooks.speed')
_UNIMPORTANT_ANYWHERE = ('num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor', 'cache')


def config_settings(config: Config) -> dict[str, Any]:
    """What a config sets, as dotted names to plain values, without the seed and what changes no result.

    Left out: the work dir, logging and visualizers, workers of the data loaders, caches. Paths of data and weights
    count.
    """
    flat = {}
    _flatten('', config.to_dict(), flat)
    return {name: flat[name] for name in sorted(flat) if not _unimportant(name)}


def _unimportant(name: str) -> bool:
    prefix = any(name == key or name.startswith(f'{key}.') for key in _UNIMPORTANT)
    return prefix or name.rpartition('.')[2] in _UNIMPORTANT_ANYWHERE


def _flatten(name: str, value: Any, flat: dict) -> None:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            _flatten(f'{name}.{key}' if name else str(key), item, flat)
    elif isinstance(value, (list, tuple)) and any(isinstance(item, (Mapping, list, tuple)) for item in value):
        for i, item in enumerate(value):
            _flatten(f'{name}.{i}', item, flat)
    else:
        flat[name] = _plain(value)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, '__qualname__'):
        return f'{value.__module__}.{value.__qualname__}'
    return type(value).__qualname__  # its repr may hold an address


def changed_settings(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Lines that say what differs.

    >>> changed_settings({'train_cfg.max_epochs': 7, 'a': 1}, {'train_cfg.max_epochs': 9, 'b': 2})
    ['a: 1 -> not set', 'b: not set -> 2', 'train_cfg.max_epochs: 7 -> 9']
    """
    return [
        f'{name}: {repr(old[name]) if name in old else "not set"} -> {repr(new[name]) if name in new else "not set"}'
        for name in sorted({*old, *new})
        if name not in old or name not in new or old[name] != new[name]
    ]


def shown_changes(changes: Sequence[str], limit: int = 5) -> str:
    """The first of the lines of :func:`changed_settings` in one line.

    >>> shown_changes(['a: 1 -> 2', 'b: 3 -> 4', 'c: 5 -> 6'], limit=1)
    'a: 1 -> 2; and 2 more'
    """
    more = f'; and {len(changes) - limit} more' if len(changes) > limit else ''
    return '; '.join(changes[:limit]) + more


def read_finished(work_dir: str | Path) -> dict[str, Any] | None:
    """The mark that FinishedHook left in a work dir; None where there is none.

    Raises:
        ValueError: If the file is not one that mmfer wrote.
    """
    path = Path(work_dir, MARKER)
    try:
        content = json.loads(path.read_text())
        if not {'last', 'best', 'settings'} <= content.keys():
            raise ValueError('parts are missing')
    except FileNotFoundError:
        return None
    except (ValueError, AttributeError) as error:
        raise ValueError(f'{path} is damaged ({error}): delete it to train again') from error
    return content


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` to ``path``, whole or not at all."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + '\n')
