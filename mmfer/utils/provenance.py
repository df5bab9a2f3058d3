"""What a result came from: versions, git state, config, data and machine, as plain values."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .finished import changed_settings, shown_changes
from .nesting import inside, protocol_of, walk

PACKAGES = (
    'torch',
    'torchvision',
    'mmengine',
    'mmpretrain',
    'mmcv|mmcv-lite',
    'numpy',
    'opencv-python|opencv-python-headless|opencv-contrib-python',
)
# what differs between a run and its continuation, or says where its files lie
UNHASHED = ('work_dir', 'launcher', 'resume', 'local_rank', 'log_level')
DIGITS = 16  # of a hash that are shown


def versions() -> dict[str, str]:
    """Versions of Python, mmfer and what it stands on; distributions that are not installed are left out."""
    from mmfer.version import __version__

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


def _canonical(value: Any) -> Any:
    """``value`` as JSON can hold it, the same for the same settings whatever the order of keys."""
    if isinstance(value, Mapping):
        return {str(key): _canonical(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if isinstance(value, (str, bool, int, float)) or value is None:
        return value
    if isinstance(value, type):
        return f'{value.__module__}.{value.__qualname__}'
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [_canonical(item) for item in value]
    text = str(value)
    return type(value).__qualname__ if re.search(r' at 0x[0-9a-f]+', text) else text


def config_hash(config: Any) -> str:
    """Hash of the resolved content of a config: of all settings, but not of seed, work folder, launcher and resuming.

    Args:
        config: MMEngine's Config, or a dict.
    """
    settings = dict(config.to_dict() if hasattr(config, 'to_dict') else config)
    settings = {key: value for key, value in settings.items() if key not in UNHASHED and value is not None}
    if isinstance(settings.get('randomness'), Mapping):
        settings['randomness'] = {name: value for name, value in settings['randomness'].items() if name != 'seed'}
    text = json.dumps(_canonical(settings), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def machine() -> dict[str, Any]:
    """Devices that this process sees, CPUs that it may use, its threads, and the operating system."""
    cuda = torch.cuda.is_available()
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if cuda else []
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    mac = sys.platform == 'darwin'
    system = f'macOS {platform.mac_ver()[0]}' if mac else f'{platform.system()} {platform.release()}'
    device = ', '.join(f'{names.count(name)} x {name}' for name in dict.fromkeys(names))
    device = device or f'CPU ({platform.machine()})'
    return dict(device=device, cpus=cpus, threads=torch.get_num_threads(), system=system)


def _prefixes(dataset: Any) -> list[str]:
    """Folders of a data set, to be cut off the paths; the longest first."""
    found = set()
    for each in walk(dataset):
        folders = [getattr(each, 'data_root', None), *(getattr(each, 'data_prefix', None) or {}).values()]
        found.update(str(f).replace('\\', '/').rstrip('/') + '/' for f in folders if isinstance(f, str) and f)
    root = {f for f in found if not any(f != other and f.startswith(other) for other in found)}
    return sorted(root, key=len, reverse=True)


def list_hash(entries: Iterable[Mapping], prefixes: Sequence[str] = ()) -> str:
    """Hash of the names, labels and soft labels of samples, in their order.

    Args:
        entries: ``img_path``, ``gt_label`` and ``gt_score`` of each sample, as far as it has them.
        prefixes: What is cut off the paths, so that the hash does not depend on where the data lie.
    """
    digest = hashlib.sha256()
    prefixes = tuple(prefixes)
    for entry in entries:
        path = str(entry.get('img_path', '')).replace('\\', '/')
        if path.startswith(prefixes):
            path = path[len(next(prefix for prefix in prefixes if path.startswith(prefix))) :]
        digest.update(f'{path}\t{entry.get("gt_label")}\n'.encode())
        score = entry.get('gt_score')
        if score is not None:
            digest.update(','.join(f'{float(x):.5g}' for x in score).encode())
    return digest.hexdigest()[:DIGITS]


def dataset_fingerprint(dataset: Any) -> dict[str, Any]:
    """What a data set is: its protocol, number of samples, class counts, and the hash of its list.

    Args:
        dataset: A data set of mmfer, or one in wrappers of MMEngine (which the protocol names). Of such wrappers
            counts and hash are those of what is inside, each once.
    """
    parts = [] if hasattr(dataset, 'entry') else [dataset_fingerprint(part) for part in inside(dataset)]
    if parts:
        counts: dict[str, int] = {}
        for part in parts:
            for name, count in part['class_counts'].items():
                counts[name] = counts.get(name, 0) + count
        hashes = [part['list_hash'] for part in parts]
        joint = hashlib.sha256('\n'.join(hashes).encode()).hexdigest()[:DIGITS]
        return dict(
            protocol=protocol_of(dataset),
            samples=len(dataset),
            class_counts=counts,
            list_hash=joint if len(hashes) > 1 else hashes[0],
        )
    entry = getattr(dataset, 'entry', None) or getattr(dataset, 'get_data_info', None)
    counts = dataset.class_counts() if hasattr(dataset, 'class_counts') else {}
    number = len(dataset)
    listed = list_hash(map(entry, range(number)), _prefixes(dataset)) if entry else 'unknown'
    return dict(
        protocol=protocol_of(dataset),
        samples=number,
        class_counts={str(name): int(count) for name, count in counts.items()},
        list_hash=listed,
    )


def weights_fingerprint(model: nn.Module) -> dict[str, str]:
    """Hash of the state of each part of a model that has one: ``{'backbone': ..., 'neck': ..., 'head': ...}``."""
    found = {}
    for part, module in model.named_children():
        state = module.state_dict()
        digest = hashlib.blake2b(digest_size=DIGITS // 2)
        for name, tensor in state.items():
            if isinstance(tensor, torch.Tensor):
                digest.update(f'{name} {tensor.dtype} {tuple(tensor.shape)}\n'.encode())
                digest.update(_bytes(tensor))
        if state:
            found[part] = digest.hexdigest()
    return found


def batch_fingerprint(batch: Mapping) -> dict[str, str]:
    """Hashes of which ``samples``, with their labels, a batch has, and of its ``inputs`` as they are augmented."""
    samples, inputs = (hashlib.blake2b(digest_size=DIGITS // 2) for _ in range(2))
    for sample in _flat(batch['data_samples']):
        path = '/'.join(str(sample.get('img_path', '')).replace('\\', '/').split('/')[-2:])
        label = sample.get('gt_label')
        samples.update(f'{sample.get("sample_idx")} {path} {None if label is None else label.tolist()}\n'.encode())
    for tensor in _flat(batch['inputs']):
        inputs.update(_bytes(tensor))
    return dict(samples=samples.hexdigest(), inputs=inputs.hexdigest())


def _flat(parts: Any) -> Iterator:
    """What nested lists and dicts hold, such as those of views of images."""
    if isinstance(parts, Mapping):
        parts = list(parts.values())
    if not isinstance(parts, (list, tuple)):
        yield parts
        return
    for part in parts:
        yield from _flat(part)


def _bytes(tensor: torch.Tensor) -> Any:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()


def describe(record: Mapping[str, Any]) -> list[str]:
    """The lines that a log shows of a record such as ProvenanceHook makes."""
    config, run, host = record['config'], record['run'], record['machine']
    lines = [
        ', '.join(f'{name} {version}' for name, version in record['versions'].items()),
        f'git: {record["git"]}',
        f'config: {config["file"]} (content {config["hash"]})',
        f'seed {run["seed"]}, deterministic={run["deterministic"]}, {run["processes"]} process(es)'
        + (f' ({run["backend"]})' if run.get('backend') else ''),
        f'device: {host["device"]}, {host["cpus"]} CPUs, {host["threads"]} thread(s) a process, {host["system"]}',
    ]
    for name, data in record['data'].items():
        counts = ', '.join(f'{label} {count}' for label, count in data['class_counts'].items())
        lines.append(
            f'{name} data: {data["protocol"]}; {data["samples"]} samples{f" ({counts})" if counts else ""}, '
            f'list {data["list_hash"]}'
        )
    return lines


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What a continued run has otherwise than the run that it continues: one line each."""
    lines = []
    for name, version in (old.get('versions') or {}).items():
        here = new['versions'].get(name)
        if here != version:
            lines.append(f'{name} is {here}, was {version}')
    if old.get('git') != new['git']:
        lines.append(f'the source code is {new["git"]}, was {old.get("git")}')
    config = old.get('config') or {}
    if config.get('hash') != new['config']['hash']:
        changes = changed_settings(config.get('settings') or {}, new['config'].get('settings') or {})
        if 'settings' not in config:  # of an earlier version
            lines.append('the config has other settings (the checkpoint does not tell which)')
        elif changes:  # else they change no result
            lines.append(f'the config has other settings (old -> new): {shown_changes(changes, limit=20)}')
    for name in ('seed', 'deterministic', 'processes'):
        if (old.get('run') or {}).get(name) != new['run'][name]:
            lines.append(f'{name} is {new["run"][name]}, was {(old.get("run") or {}).get(name)}')
    for name, data in new['data'].items():
        before = (old.get('data') or {}).get(name)
        if before and before.get('list_hash') != data['list_hash']:
            lines.append(f'the {name} data have another list: {data["samples"]} samples, were {before.get("samples")}')
    return lines
