"""Models by name: the index that the metafiles of the configs make up. Reading it imports no PyTorch."""

from __future__ import annotations

import difflib
import fnmatch
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .optional import require

VARIABLE = 'MMFER_CONFIGS'
REPORTED = ('reported by ', 'quoted in ')  # how the sources of others' figures begin


def configs_folder() -> Path:
    """The folder of the configs, whose ``*/metafile.yml`` make up the index.

    That of the environment variable ``MMFER_CONFIGS``, or else of the checkout that mmfer runs from, or of the
    installed package.

    Raises:
        FileNotFoundError: If there is none; the message says where it was looked for.
    """
    package = Path(__file__).resolve().parents[1]
    named = os.environ.get(VARIABLE)
    places = [Path(named).expanduser()] if named else [package.parent / 'configs', package / 'configs']
    for place in places:
        if any(place.glob('*/metafile.yml')):
            return place
    looked = ' and '.join(map(str, places))
    hint = f'which {VARIABLE} names' if named else f'set {VARIABLE} to the folder configs of a checkout of mmfer'
    raise FileNotFoundError(f'no index of models: there is no <folder>/metafile.yml in {looked}; {hint}')


def list_models(pattern: str = '*') -> list[str]:
    """Names of the models in the index, sorted.

    Args:
        pattern: Which ones, such as ``'*_raf*'``.
    """
    return sorted(fnmatch.filter(read_index(), pattern))


def model_info(name: str) -> dict[str, Any]:
    """What the index says of a model.

    Args:
        name: One of :func:`list_models`.

    Returns:
        - ``name``, ``collection``, ``paper`` (title), ``paper_url``, ``code_url`` (of the authors, or None);
        - ``config`` and ``readme``: paths;
        - ``parameters``, ``flops`` (of one image, a multiply-add counts 2), ``input_size`` (H, W);
        - ``results``: for each data set ``dataset``, ``metrics`` (%), ``measured`` (with mmfer, or else reported by
          others) and ``source``: the log of the run, or who reported it;
        - ``work_dir``: where the training of the config leaves its checkpoints, below the current folder;
        - ``weights`` and ``exported``: the files that come with mmfer, or None.

    Raises:
        FileNotFoundError: If there is no index, see :func:`configs_folder`.
        ValueError: If it has no such model, with the nearest names.
    """
    index = read_index()
    if name not in index:
        near = difflib.get_close_matches(name, index, 5, 0.5) or sorted(index)
        raise ValueError(
            f'no model is named {name!r}; there {"is" if len(near) == 1 else "are"} {", ".join(near)} '
            '(mmfer.list_models()). A config is named by its path, ending in .py (mmfer explain unknown-model)'
        )
    return index[name]


def read_index() -> dict[str, dict[str, Any]]:
    """Name of each model, sorted by metafile -> what :func:`model_info` says of it."""
    index: dict[str, dict[str, Any]] = {}
    folder = configs_folder()
    for path in sorted(folder.glob('*/metafile.yml')):
        for info in _read(path, folder.parent):
            if info['name'] in index:
                raise ValueError(f'{path}: the name {info["name"]} is taken, by {index[info["name"]]["config"]}')
            index[info['name']] = info
    return index


def _read(path: Path, root: Path) -> Iterator[dict[str, Any]]:
    yaml = require('yaml', 'mmfer[train]', 'the index of models is read by PyYAML')
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
        collections = {entry['Name']: entry for entry in content['Collections']}
        for entry in content['Models']:
            collection, metadata = collections[entry['In Collection']], entry['Metadata']
            config = root / entry['Config']
            yield dict(
                name=entry['Name'],
                collection=collection['Name'],
                paper=collection['Paper']['Title'],
                paper_url=collection['Paper']['URL'],
                code_url=(collection.get('Code') or {}).get('URL'),
                readme=str(root / collection['README']),
                config=str(config),
                parameters=metadata['Parameters'],
                flops=metadata['FLOPs'],
                input_size=tuple(int(side) for side in metadata['Input'].split('x')),
                results=[_result(result) for result in entry.get('Results') or []],
                work_dir=str(Path('work_dirs', config.parent.name, config.stem)),
                weights=entry.get('Weights'),
                exported=entry.get('Exported'),
            )
    except (AttributeError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f'{path} cannot be read ({type(error).__name__}: {" ".join(str(error).split())})') from None


def _result(result: Mapping[str, Any]) -> dict[str, Any]:
    source = result['Source']
    measured = not source.startswith(REPORTED)
    return dict(dataset=result['Dataset'], metrics=dict(result['Metrics']), measured=measured, source=source)
