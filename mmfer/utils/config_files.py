"""Config files, wherever they lie: those of mmfer and of users."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config
from mmengine.config.lazy import LazyObject
from mmengine.utils import import_modules_from_strings

from mmfer.version import __version__

PACKAGE = Path(__file__).parents[1]
# What MMEngine says where it does not find a config to begin from, and what it means.
MEANINGS = {
    'inheritance chain': '_base_ cannot name configs that are written with read_base',
    'does not support to load': '_base_ cannot name configs of mmfer',
    'is a namespace package': 'the configs that it begins from are in no installed package',
    'distribution was not found': 'the configs that it begins from are in no installed package',
    'Illegal syntax': 'configs are imported by "from ... import ..." inside "with read_base():" only',
    'not found! It means': 'a config that it begins from is missing',
}


def find_config(config: str | Path) -> Path:
    """The file of a config: a path, or the name of one that comes with mmfer, such as ``poster_var/synth``.

    Raises:
        FileNotFoundError: If there is none; the configs beside it are listed.
        ValueError: If it is a file of another kind.
    """
    path = Path(config)
    if path.is_file() and path.suffix not in ('.py', '.json', '.yaml', '.yml'):
        raise ValueError(f'{path} is no config. Name a .py file, or a config of mmfer such as poster_var/synth.')
    own = PACKAGE / 'configs' / path.with_suffix('.py')
    if path.is_file() or (len(path.parts) == 2 and own.is_file()):
        return path if path.is_file() else own
    folder = path.parent if path.parent.is_dir() else Path('.')
    found = ', '.join(sorted(p.name for p in folder.glob('*.py'))) or 'no configs'
    raise FileNotFoundError(
        f'config not found: {path} (in {folder}: {found}). Those of mmfer have names such as poster_var/synth. '
        '(mmfer explain config-not-found)'
    )


def read_config(path: str | Path) -> Config:
    """Read a config file; its ``custom_imports`` are left to the caller.

    Raises:
        ValueError: If a config that it begins from is named in a way that does not work.
    """
    if _begins_from_mmfer(Path(path)):
        _tell_where_mmfer_is()
    try:
        config = Config.fromfile(str(path), import_custom_modules=False)
    except Exception as error:
        meaning = next((meaning for words, meaning in MEANINGS.items() if words in str(error)), None)
        if meaning is None:
            raise
        missing = str(error).partition('!')[0] if 'is missing' in meaning else ''
        raise ValueError(_explain(path, f'{meaning}{missing and f" ({missing})"}')) from error
    for value in dict.values(config._cfg_dict):  # ConfigDict's own method would import what it names
        if isinstance(value, LazyObject) and 'mmfer.configs' in str(value._module):
            raise ValueError(_explain(path, MEANINGS['Illegal syntax']))
    return config


def import_modules(custom_imports: Mapping | None) -> None:
    """Import the modules that ``custom_imports`` of a config names, from the current folder as well as PYTHONPATH.

    Raises:
        ValueError: If one of them cannot be imported.
    """
    if not custom_imports:
        return
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        import_modules_from_strings(**custom_imports)
    except ImportError as error:
        raise ValueError(
            f'custom_imports={dict(custom_imports)}: {error.__cause__ or error}. Modules are looked for in the current '
            f'folder ({os.getcwd()}) and on PYTHONPATH.'
        ) from error


def _explain(path: str | Path, reason: str) -> str:
    return (
        f'{path}: {reason}. To begin from a config of mmfer, in any folder:\nwith read_base():\n'
        '    from mmfer.configs.poster_var.synth import *\nand from a config of your own: from .NAME import *'
    )


def _begins_from_mmfer(path: Path) -> bool:
    """Whether a config, or one that it begins from by a relative import, imports a config of mmfer by its module."""
    if not path.is_file():
        return False
    text = path.read_text(encoding='utf-8', errors='replace')
    bases = re.findall(r'^\s+from (\.+)([\w.]+) import', text, re.MULTILINE)
    files = [Path(path.parent, *['..'] * (len(dots) - 1), f'{name.replace(".", "/")}.py') for dots, name in bases]
    return 'mmfer.configs' in text or any(map(_begins_from_mmfer, files))


def _tell_where_mmfer_is() -> None:
    """Let MMEngine find the mmfer that runs: of editable installs pkg_resources knows only where their metadata lie."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # that it is deprecated
        import pkg_resources
    folder = PACKAGE.resolve().parent
    place = pkg_resources.Distribution(str(folder), project_name='mmfer', version=__version__)
    pkg_resources.working_set.add(place, replace=True)
