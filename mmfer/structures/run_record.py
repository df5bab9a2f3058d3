"""The record of a run: its settings and results as plain values, for the log, checkpoints and ``finished.json``."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from mmfer.utils.files import write_json
from mmfer.utils.threads import usable_cores
from mmfer.version import __version__

MARKER = 'finished.json'
DIGITS = 16  # of a hash that are shown
PACKAGES = ('torch', 'torchvision', 'mmengine', 'mmpretrain', 'mmcv|mmcv-lite', 'numpy')
PACKAGES += ('opencv-python|opencv-python-headless|opencv-contrib-python',)
# What changes where and how a training runs, but not what it computes.
_UNIMPORTANT = ('work_dir', 'resume', 'launcher', 'visualizer', 'log_level', 'log_processor', 'randomness.seed')
_UNIMPORTANT += ('default_hooks.logger', 'default_hooks.timer', 'default_hooks.speed')
_UNIMPORTANT_ANYWHERE = ('num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor', 'cache')


@dataclass
class RunRecord:
    """A record of all that the result of a training depends on.

    Two trainings began on equal terms if they have the same ``initial_weights`` and the same ``first_batch``.

    Attributes:
        config: File of the config.
        config_hash: Of its ``settings``.
        settings: See :func:`config_settings`.
        seed: The seed of the run.
        deterministic: Whether deterministic operations were asked for.
        processes: Number of them.
        versions: See :func:`versions`.
        git: See :func:`git_state`.
        machine: See :func:`machine`.
        data: Part (``train``, ``val``, ``test``) -> ``protocol``, ``samples``, ``class_counts`` and ``list_hash``.
        parameters: Number of the model's parameters.
        initial_weights: Part of the model -> hash of its state before the first step.
        first_batch: Hashes of its ``samples`` and of its augmented ``inputs``.
        seconds: Duration of the training, including the runs that it continues.
    """

    config: str
    config_hash: str
    settings: dict[str, Any]
    seed: int
    deterministic: bool
    processes: int
    versions: dict[str, str]
    git: str
    machine: dict[str, Any]
    data: dict[str, dict[str, Any]] = field(default_factory=dict)
    parameters: int = 0
    initial_weights: dict[str, str] = field(default_factory=dict)
    first_batch: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The record as a dict of plain values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The lines of the record for a log."""
        host = self.machine
        lines = [
            ', '.join(f'{name} {version}' for name, version in self.versions.items()),
            f'git: {self.git}',
            f'config: {self.config} (content {self.config_hash})',
            f'seed {self.seed}, deterministic={self.deterministic}, {self.processes} process(es)',
            f'device: {host["device"]}, {host["cpus"]} CPUs, {host["threads"]} thread(s) a process, {host["system"]}',
        ]
        for name, data in self.data.items():
            counts = ', '.join(f'{label} {count}' for label, count in data['class_counts'].items())
            lines.append(
                f'{name} data: {data["protocol"]}; {data["samples"]} samples{f" ({counts})" if counts else ""}, '
                f'list {data["list_hash"]}'
            )
        return lines

    def differences(self, earlier: Mapping[str, Any]) -> list[str]:
        """The differences from the run that this run continues, one line for each.

        Args:
            earlier: The record of that run, as a dict.
        """
        lines = []
        for name, version in earlier['versions'].items():
            if self.versions.get(name) != version:
                lines.append(f'{name} is {self.versions.get(name)}, was {version}')
        if earlier['git'] != self.git:
            lines.append(f'the source code is {self.git}, was {earlier["git"]}')
        changes = changed_settings(earlier['settings'], self.settings)
        if changes:
            lines.append(f'the config has other settings (old -> new): {shown_changes(changes, limit=20)}')
        for name in ('seed', 'deterministic', 'processes'):
            if earlier[name] != getattr(self, name):
                lines.append(f'{name} is {getattr(self, name)}, was {earlier[name]}')
        for name, data in self.data.items():
            before = earlier['data'].get(name)
            if before and before['list_hash'] != data['list_hash']:
                text = f'the {name} data have another list: {data["samples"]} samples, were {before["samples"]}'
                lines.append(text)
        return lines

    def write(self, work_dir: str | Path, results: Mapping[str, Any]) -> None:
        """Write ``finished.json`` into a work dir: the record, and the ``results`` with ``last`` and ``best``."""
        write_json(Path(work_dir, MARKER), {**self.to_dict(), **results})


def read_finished(work_dir: str | Path) -> dict[str, Any] | None:
    """The content of ``finished.json`` in a work dir, see :meth:`RunRecord.write`; None if there is none.

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


# ---- settings --------------------------------------------------------------------------------------------------------
def config_settings(config: Any) -> dict[str, Any]:
    """The settings of a config, as dotted names to plain values, without the seed and settings that change no result.

    Left out are the work dir, logging and visualizers, workers of the data loaders, and caches. Paths of data and
    weights are kept.

    Args:
        config: MMEngine's Config.
    """
    flat: dict[str, Any] = {}
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
    """The differences of two settings, one line for each.

    >>> changed_settings({'train_cfg.max_epochs': 7, 'a': 1}, {'train_cfg.max_epochs': 9, 'b': 2})
    ['a: 1 -> not set', 'b: not set -> 2', 'train_cfg.max_epochs: 7 -> 9']
    """
    return [
        f'{name}: {repr(old[name]) if name in old else "not set"} -> {repr(new[name]) if name in new else "not set"}'
        for name in sorted({*old, *new})
        if name not in old or name not in new or old[name] != new[name]
    ]


def shown_changes(changes: Sequence[str], limit: int = 5) -> str:
    """The first differences of :func:`changed_settings` in one line.

    >>> shown_changes(['a: 1 -> 2', 'b: 3 -> 4', 'c: 5 -> 6'], limit=1)
    'a: 1 -> 2; and 2 more'
    """
    more = f'; and {len(changes) - limit} more' if len(changes) > limit else ''
    return '; '.join(changes[:limit]) + more


def settings_hash(settings: Mapping[str, Any]) -> str:
    """Hash of the output of :func:`config_settings`."""
    text = json.dumps(settings, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


# ---- surroundings ----------------------------------------------------------------------------------------------------
def versions() -> dict[str, str]:
    """Versions of Python, mmfer and its dependencies; packages that are not installed are left out."""
    found = dict(mmfer=__version__, python=platform.python_version())
    for names in PACKAGES:
        for name in names.split('|'):
            try:
                found[names.split('|')[0]] = metadata.version(name)
                break
            except metadata.PackageNotFoundError:
                continue
    if torch.version.cuda:
        found['cuda'] = torch.version.cuda
    return found


def _git(folder: Path, *args: str) -> str | None:
    try:
        result = subprocess.run(
            ['git', '-C', str(folder), *args], capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None


def git_state(folder: str | os.PathLike | None = None) -> str:
    """``'<commit>'``, ``'<commit> with uncommitted changes'``, or ``'no git'`` of the source code in ``folder``.

    Args:
        folder: A folder with files under version control; mmfer's own package by default. A folder that a repository
            ignores, such as an installed package inside a virtual environment, is none of its source code.
    """
    folder = Path(folder) if folder is not None else Path(__file__).resolve().parents[1]
    if not _git(folder, 'ls-files', '--', '.'):
        return 'no git'
    commit = _git(folder, 'rev-parse', 'HEAD')
    if not commit:
        return 'no git'
    changes = _git(folder, 'status', '--porcelain')
    return f'{commit[:12]} with uncommitted changes' if changes else commit[:12]


def machine() -> dict[str, Any]:
    """Devices that this process sees, CPUs that it may use, its threads, and the operating system."""
    cuda = torch.cuda.is_available()
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if cuda else []
    device = ', '.join(f'{names.count(name)} x {name}' for name in dict.fromkeys(names))
    device = device or f'CPU ({platform.machine()})'
    return dict(
        device=device, cpus=usable_cores(), threads=torch.get_num_threads(), system=platform.platform(terse=True)
    )
