#!/usr/bin/env python
"""Write docs/model_zoo.md and model-index.yml, which are made of configs/*/metafile.yml.

--metadata first counts parameters, operations and input size of all models anew and writes them into the metafiles.
--check writes nothing, and ends with 1 where a file is not what it would write.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

COMMAND = 'python docs/write_model_zoo.py'
INTRODUCTION = f"""# Model zoo

All models of the index, with their size, their cost and their accuracy. mmfer ships the weights of
`poster_var_ferplus_small`. For any other model, train its config, or convert the weights that its authors released
([how](inference.md#models-by-name)).

- **parameters** and **GFLOPs** are counted by `mmfer flops CONFIG`, for one image of the input size. A multiply-add
  counts as 2 operations, and attention is included. Parts of the original network that do not contribute to its output
  are left out. A test compares these numbers with the models.
- **accuracy** is in %, on the test part of the data set. "reported by the paper" and "quoted in another paper" mean
  that the number was published by others. A link leads to the log or the report of a training with mmfer, and a test
  compares the number with it. A model without a number has a recipe only: we have not measured it.

`synth*.py` and `*_tiny.py` are small networks for a CPU, not the published ones.

*Made by `{COMMAND}` from `configs/*/metafile.yml`. To change this page, change those files.*
"""


def zoo_page() -> str:
    """The text of ``docs/model_zoo.md``: all models of the index, by method."""
    from mmfer.utils.model_index import configs_folder, read_index

    root = configs_folder().parent
    methods: dict[str, list[dict[str, Any]]] = {}
    for info in read_index().values():
        methods.setdefault(info['collection'], []).append(info)
    parts = [INTRODUCTION]
    parts += [_method(name, models, root) for name, models in sorted(methods.items(), key=lambda item: item[0].lower())]
    return '\n'.join(parts)


def _method(name: str, models: Sequence[Mapping[str, Any]], root: Path) -> str:
    first = models[0]
    links = [f'[{first["paper"]}]({first["paper_url"]})']
    links += [f'[code of the authors]({first["code_url"]})'] if first['code_url'] else []
    links.append(f'[configs]({_link(first["readme"], root)})')
    rows = [row for info in models for row in _rows(info, root)]
    header = ('model', 'parameters', 'GFLOPs', 'input', 'data set', 'accuracy', 'source')
    lines = [
        f'## {name}',
        '',
        ' · '.join(links),
        '',
        _row(header),
        '|---|---:|---:|---|---|---:|---|',
        *map(_row, rows),
    ]
    return '\n'.join(lines) + '\n'


def _rows(info: Mapping[str, Any], root: Path) -> list[tuple[str, ...]]:
    height, width = info['input_size']
    size = (_amount(info['parameters'], 1e6, ' M'), _amount(info['flops'], 1e9, ''), f'{height}x{width}')
    name = f'[{info["name"]}]({_link(info["config"], root)})'
    results = [(each['dataset'], _figures(each['metrics']), _source(each, root)) for each in info['results']]
    first, *others = results or [('', '', '')]
    return [(name, *size, *first), *(('', '', '', '', *each) for each in others)]


def _row(cells: Sequence[str]) -> str:
    return f'| {" | ".join(cells)} |'


def _amount(number: int, unit: float, name: str) -> str:
    value = number / unit
    return f'{value:.2f}{name}' if value >= 0.1 else f'{value:.3f}{name}'


def _figures(metrics: Mapping[str, float]) -> str:
    return ', '.join(f'{value:.2f}' if name == 'Accuracy' else f'{name} {value:g}' for name, value in metrics.items())


def _source(result: Mapping[str, Any], root: Path) -> str:
    if not result['measured']:
        return result['source']
    path = root / result['source']
    return f'[{path.name if path.suffix == ".jsonl" else path.parent.name}]({_link(path, root)})'


def _link(path: str | Path, root: Path) -> str:
    return Path(os.path.relpath(path, root / 'docs')).as_posix()


def index_text() -> str:
    """The text of ``model-index.yml``: which metafiles make up the index."""
    from mmfer.utils.model_index import configs_folder

    folder = configs_folder()
    files = sorted(path.relative_to(folder.parent).as_posix() for path in folder.glob('*/metafile.yml'))
    return f'# Made by {COMMAND}\nImport:\n' + ''.join(f'  - {file}\n' for file in files)


def fresh_metadata(text: str, count: Callable[[str], Mapping[str, Any]]) -> str:
    """A metafile with parameters, operations and input size of each model as they are counted.

    Args:
        text: The metafile.
        count: Gives for the path of a config what :func:`mmfer.models.flops.count_flops` returns.

    Returns:
        The same text but for these numbers.

    Raises:
        ValueError: If an entry has no place for one of them.
    """
    head, *entries = re.split(r'(?m)^(?=\s*- Name: )', text)
    return head + ''.join(_fresh_entry(entry, count) for entry in entries)


def _fresh_entry(entry: str, count: Callable[[str], Mapping[str, Any]]) -> str:
    config = re.search(r'(?m)^\s*Config: (\S+)\s*$', entry)
    if config is None:  # a collection
        return entry
    counted = count(config[1])
    values = dict(Parameters=counted['parameters'], FLOPs=counted['flops_per_image'])
    for name, value in dict(values, Input='{2}x{3}'.format(*counted['input'])).items():
        entry, changed = re.subn(rf'\b{name}: [^\s,}}]+', f'{name}: {value}', entry)
        if changed != 1:
            raise ValueError(f'{config[1]}: its entry in the metafile needs {name}: once, not {changed} times')
    return entry


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--metadata', action='store_true', help='bring the numbers in the metafiles up to date first')
    parser.add_argument('--check', action='store_true', help='only say which files are out of date')
    return parser.parse_args()


def run(args: argparse.Namespace) -> int:
    from mmfer.utils.files import write_text
    from mmfer.utils.model_index import configs_folder

    root, stale = configs_folder().parent, []

    def update(path: str, text: str) -> None:
        file = root / path
        if not file.is_file() or file.read_text(encoding='utf-8') != text:
            stale.append(path)
            if not args.check:
                write_text(file, text)

    if args.metadata:
        from mmfer.models.flops import count_flops

        for file in sorted(root.glob('configs/*/metafile.yml')):
            text = fresh_metadata(file.read_text(encoding='utf-8'), lambda config: count_flops(root / config))
            update(file.relative_to(root).as_posix(), text)
    update('model-index.yml', index_text())
    update('docs/model_zoo.md', zoo_page())
    verb = 'out of date' if args.check else 'written'
    print(f'{verb}: {", ".join(stale)}' if stale else 'all up to date')
    return int(args.check and bool(stale))


def main() -> int:
    args = parse_args()
    from mmfer.utils.errors import run_tool

    return run_tool(lambda: run(args))


if __name__ == '__main__':
    sys.exit(main())
