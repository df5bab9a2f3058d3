"""The scalars that trainings logged."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LOGS = '*/vis_data/scalars.json'
_STEPS = ('epoch', 'iter', 'step')


@dataclass
class Run:
    """The scalars of one training, or of one with several seeds.

    Args:
        name: What it is called in the legend.
        seeds: For each seed (one for a training without seeds): name of the scalar, ``'train/loss'`` or
            ``'val/accuracy'``, to its values by step: iterations for ``train/``, epochs for ``val/``.
    """

    name: str
    seeds: list[dict[str, dict[int, float]]]

    @property
    def keys(self) -> set[str]:
        return {key for seed in self.seeds for key in seed}


def read_scalars(path: str | Path) -> dict[str, dict[int, float]]:
    """The scalars that a training logged, joined over its resumptions.

    Where a run was resumed, what had been logged after that point is replaced; where it was started anew, all is.

    Args:
        path: Work dir, or one file of MMEngine's scalars (JSON lines).

    Returns:
        dict: ``'train/loss'`` or ``'val/accuracy'`` to values by step, in the order of steps.

    Raises:
        FileNotFoundError: If there is no log.
        ValueError: If a log is not one of scalars.
    """
    path = Path(path)
    files = [path] if path.is_file() else sorted(path.glob(_LOGS))
    if not files:
        what = 'no such folder' if not path.exists() else 'no logs (*/vis_data/scalars.json) in this folder'
        raise FileNotFoundError(f'{path}: {what}; expected the work dir of a training')
    scalars: dict[str, dict[int, float]] = {}
    for file in files:
        records = _records(file)
        _forget(scalars, next((record for record in records if 'iter' in record), None))
        for record in records:
            _add(scalars, record)
    return {name: dict(sorted(values.items())) for name, values in scalars.items()}


def _records(file: Path) -> list[dict]:
    lines = file.read_text(encoding='utf-8', errors='replace').splitlines()
    records = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            if not isinstance(record, dict) or not isinstance(record.get('step'), (int, float)):
                raise ValueError
        except ValueError:
            if number == len(lines):  # a killed run may leave half a line
                break
            raise ValueError(f'{file}, line {number}: no record of scalars with a step') from None
        records.append(record)
    return records


def _forget(scalars: dict, first: Mapping | None) -> None:
    """Drop what a later run, of which ``first`` is the first record of training, does again."""
    if first is not None:
        for name, values in scalars.items():
            start = first['step'] if name.startswith('train/') else first.get('epoch', math.inf)
            for step in [step for step in values if step >= start]:
                del values[step]


def _add(scalars: dict, record: Mapping) -> None:
    split = 'train' if 'iter' in record else 'val'
    step = int(record['step'])
    if split == 'val' and step == 0:  # an evaluation outside of a training
        return
    for key, value in record.items():
        if key in _STEPS or isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        name = key if key.startswith(('train/', 'val/')) else f'{split}/{key}'
        scalars.setdefault(name, {})[step] = value


def read_runs(paths: Sequence[str | Path], names: Sequence[str] | None = None) -> list[Run]:
    """Read trainings; one with several seeds has its logs in folders ``seed_*``.

    Args:
        paths: Work dirs, or files of scalars.
        names: Name of each; by default as many of the last parts of each path as tell them apart.

    Raises:
        FileNotFoundError: If trainings have no logs; all of them are named.
        ValueError: If there are more or fewer names than paths.
    """
    if names is not None and len(names) != len(paths):
        raise ValueError(f'{len(names)} names for {len(paths)} work dirs')
    runs, problems = [], []
    for path, name in zip(paths, names or run_names(paths)):
        folders = [folder for folder in Path(path).glob('seed_*') if any(folder.glob(_LOGS))]
        try:
            runs.append(Run(name, [read_scalars(source) for source in sorted(folders) or [path]]))
        except FileNotFoundError as error:
            problems.append(str(error))
    if problems:
        raise FileNotFoundError('\n'.join(problems))
    return runs


def run_names(paths: Sequence[str | Path]) -> list[str]:
    """As many of the last parts of each path as tell them apart, without the ending of files.

    >>> run_names(['work_dirs/a/synth', 'work_dirs/b/synth', 'logs/raf.jsonl'])
    ['a/synth', 'b/synth', 'raf']
    """
    resolved = [Path(path).resolve() for path in paths]
    parts = [(p.with_suffix('') if p.suffix in ('.json', '.jsonl') else p).parts for p in resolved]
    names = []
    for own in parts:
        length = 1
        while length < len(own) - 1 and sum(other[-length:] == own[-length:] for other in parts) > 1:
            length += 1
        names.append('/'.join(own[-length:]))
    return names
