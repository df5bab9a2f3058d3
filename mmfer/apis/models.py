"""Models by name: the index that the metafiles of the configs make up. Reading it imports no PyTorch."""

from __future__ import annotations

import difflib
import fnmatch
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

VARIABLE = 'MMFER_CONFIGS'
REPORTED = ('reported by ', 'quoted in ')  # how the sources of others' figures begin
CONVERT = 'python tools/model_converters/convert_released.py RELEASED.pth OUT.pth --config'


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
        - ``work_dir``: where the training of the config leaves its checkpoints, below the current folder. None are
          shipped.

    Raises:
        FileNotFoundError: If there is no index, see :func:`configs_folder`.
        ValueError: If it has no such model, with the nearest names.
    """
    index = read_index()
    if name not in index:
        near = difflib.get_close_matches(name, index, 5, 0.5) or sorted(index)
        raise ValueError(
            f'no model is named {name!r}; there {"is" if len(near) == 1 else "are"} {", ".join(near)} '
            '(mmfer.apis.list_models()). A config is named by its path, ending in .py'
        )
    return index[name]


def get_model(name: str, checkpoint: str | Path | None = None, device: Any = 'cpu', pretrained: bool = True) -> Any:
    """The model of a name in eval mode, with its weights, as :func:`mmfer.apis.init_model` returns it.

    mmfer ships no weights: they come from a training, or from what authors released, converted.

    Args:
        name: One of :func:`list_models`.
        checkpoint: A checkpoint that mmfer trained or converted. By default the newest that the config's own training
            left in ``work_dirs``, and if that was calibrated (``<name>_calibrated.pth``), the calibrated one.
        device: Where the model goes.
        pretrained: False leaves random weights, and needs no checkpoint.

    Raises:
        FileNotFoundError: If there is no checkpoint; the message says what is missing and how to get it.
        ValueError: If there is no such model, or the checkpoint does not fit it.
    """
    info = model_info(name)
    if not pretrained and checkpoint is not None:
        raise ValueError(f'pretrained=False leaves random weights: no checkpoint={checkpoint} beside it')
    if pretrained:
        checkpoint = checkpoint or find_weights(info)

    import warnings

    from .model import init_model

    with warnings.catch_warnings():
        if not pretrained:
            warnings.filterwarnings('ignore', 'init_model without a checkpoint')
        return init_model(info['config'], checkpoint, device)


def find_weights(info: Mapping[str, Any]) -> Path:
    """The newest checkpoint of a model's own training, calibrated where there is such a one beside it.

    Args:
        info: Of :func:`model_info`.

    Raises:
        FileNotFoundError: If there is none, with all that is missing.
    """
    from mmfer.utils.checkpoint import list_checkpoints

    for path in list_checkpoints(info['work_dir']):
        calibrated = path.with_name(f'{path.stem}_calibrated.pth')
        return calibrated if calibrated.is_file() else path
    raise FileNotFoundError('\n'.join(_what_is_missing(info)))


def _what_is_missing(info: Mapping[str, Any]) -> Iterator[str]:
    from mmfer.utils.nesting import leaves
    from mmfer.utils.released_weights import PARTS

    from .run import load_config

    folder, config = Path(info['work_dir']), os.path.relpath(info['config'])
    config = info['config'] if config.startswith(os.pardir) else config
    yield f'{info["name"]}: there is no checkpoint, and mmfer ships no weights. Looked for epoch_*.pth in {folder}.'
    others = sorted(folder.glob('**/*.pth'))
    if others:
        yield f'  There are {", ".join(map(str, others[:5]))}: pass one of them as checkpoint.'
    yield f'  Train it: python tools/train.py {config}'
    settings = load_config(config)
    data = settings.get('train_dataloader', {}).get('dataset', {})
    for root in dict.fromkeys(each.get('data_root') for each in leaves(data)):
        if root and not Path(root).exists():
            yield f'    needs the data in {root}, which is not there: docs/datasets.md says where they come from'
    for kind, path in _pretrained_parts(settings.model):
        origin = f': {PARTS[kind][2]}' if kind in PARTS else ''
        yield f'    starts from {path}, which is {"" if Path(path).is_file() else "not "}there{origin}'
    if not any(result['measured'] for result in info['results']):  # else it is a network of mmfer's own
        where = info['code_url'] or info['paper_url']
        yield f'  Or convert what its authors released (see {where}), if you have it: {CONVERT} {config}'
    yield '  Then pass the file as checkpoint. pretrained=False (get_model) leaves random weights.'


def _pretrained_parts(model: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Class and file of each part of a model's config that a training starts from."""
    init = model.get('init_cfg') or {}
    if isinstance(init, Mapping) and init.get('checkpoint'):
        kind = model['type']
        yield kind if isinstance(kind, str) else kind.__name__, init['checkpoint']
    for value in model.values():
        if isinstance(value, Mapping) and 'type' in value:
            yield from _pretrained_parts(value)


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
    import yaml

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
            )
    except (AttributeError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f'{path} cannot be read ({type(error).__name__}: {" ".join(str(error).split())})') from None


def _result(result: Mapping[str, Any]) -> dict[str, Any]:
    source = result['Source']
    measured = not source.startswith(REPORTED)
    return dict(dataset=result['Dataset'], metrics=dict(result['Metrics']), measured=measured, source=source)
