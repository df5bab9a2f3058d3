"""Options of the command line and of ``cfg_options``: set in a config, and refused where nothing would read them."""

from __future__ import annotations

import ast
import copy
import difflib
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.runner import Runner, set_random_seed
from torch.utils.data import DataLoader

from mmfer import registry

from .config_files import find_config, import_modules, read_config

# Top-level names: arguments of the runner, what it and FERRunner look up in the config, and what inference does.
READ = set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg', 'launcher'}
READ |= {'model_wrapper_cfg', 'sync_bn', 'find_unused_parameters', 'activation_checkpointing', 'efficient_conv_bn_eval'}
READ |= {'compile', 'channels_last', 'checkpoint_activations', 'custom_imports', 'face_crop'}
CONTROL = {'type', '_delete_', '_scope_'}
LOADER = set(inspect.signature(DataLoader.__init__).parameters) | {'num_batch_per_epoch'}
# What is read in dicts without a type, by their place.
UNTYPED = {
    'env_cfg': {'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'},
    'env_cfg.mp_cfg': {'mp_start_method', 'opencv_num_threads'},
    'randomness': set(inspect.signature(set_random_seed).parameters),
    'optim_wrapper.clip_grad': {'type', 'max_norm', 'norm_type', 'error_if_nonfinite', 'foreach', 'clip_value'},
    'compile': {'mode', 'backend', 'fullgraph', 'dynamic', 'options', 'disable', 'target'},
    'auto_scale_lr': {'enable', 'base_batch_size'},
    'custom_imports': {'imports', 'allow_failed_imports'},
    'train_dataloader': LOADER,
    'val_dataloader': LOADER,
    'test_dataloader': LOADER,
}
PARAMWISE = {'custom_keys', 'bypass_duplicate', 'dcn_offset_lr_mult', 'bias_lr_mult'}  # of the default constructor
PARAMWISE |= {f'{part}_decay_mult' for part in ('bias', 'norm', 'dwconv', 'flat')}
# The types of dicts that may lack one, by their last name.
DEFAULT_TYPES = {
    'train_cfg': 'EpochBasedTrainLoop',
    'val_cfg': 'ValLoop',
    'test_cfg': 'TestLoop',
    'optim_wrapper': 'OptimWrapper',
    'data_preprocessor': 'ClsDataPreprocessor',
    'log_processor': 'LogProcessor',
    'visualizer': 'Visualizer',
}
# Names that the runner takes out of a dict before its type sees the rest.
TAKEN_OUT = {
    'optim_wrapper': {'constructor', 'paramwise_cfg', 'optimizer'},
    'param_scheduler': {'convert_to_iter_based'},
    'default_hooks': {'priority'},
    'custom_hooks': {'priority'},
    'train_cfg': {'by_epoch'},
}
PARTS = (Mapping, list)
SHOWN = 4


def type_name(kind: str | type) -> str:
    """The name of a ``type`` in a config, without its modules.

    >>> type_name('mmengine.optim.OptimWrapper'), type_name(dict)
    ('OptimWrapper', 'dict')
    """
    return kind.rpartition('.')[2] if isinstance(kind, str) else kind.__name__


def load_config(config: str | Path | Config, cfg_options: Mapping | None = None) -> Config:
    """Read a config, set ``cfg_options`` (dotted names to values) in it, and import its ``custom_imports``.

    A config is a file, or the name of one that comes with mmfer, such as ``poster_var/synth``. Modules are imported
    from the current folder as well as from PYTHONPATH. Of a config object, a copy is returned.

    Raises:
        FileNotFoundError: If there is no such file; the configs beside it are listed.
        ValueError: If nothing would read one of the options, a module of ``custom_imports`` cannot be imported, or a
            config that the file begins from is named in a way that does not work.
    """
    config = copy.deepcopy(config) if isinstance(config, Config) else read_config(find_config(config))
    set_options(config, cfg_options)
    import_modules(config.get('custom_imports'))
    return config


def set_options(config: Config, options: Mapping | None) -> None:
    """Set options in a config.

    Args:
        config: Changed in place; if options are refused, not at all.
        options: Dotted names to values, such as ``{'train_dataloader.batch_size': 8, 'param_scheduler.0.gamma': 0.9}``.

    Raises:
        ValueError: If nothing would read one of them, with the name that was probably meant.
    """
    if not options:
        return
    values = dict(pair for name, value in options.items() for pair in _parts(tuple(str(name).split('.')), value))
    trial = copy.deepcopy(config)
    problems = _found((path, _top_problem(path, config)) for path in values)
    problems = problems or _found((path, _obstacle(path, value, trial)) for path, value in values.items())
    if not problems:
        trial.merge_from_dict(copy.deepcopy(dict(options)))  # which takes _delete_ out of them
        import_modules(trial.get('custom_imports'))  # they may define the types that read the options
        problems = _found((path, _problem(path, config, trial)) for path in values)
    if problems:
        text = '\n  '.join(['', *problems] if len(problems) > 1 else problems)
        raise ValueError(f'cfg-options refused: {text} (mmfer explain cfg-options)')
    for path, value in values.items():
        _obstacle(path, value, config)
    config.merge_from_dict(copy.deepcopy(dict(options)))


def _found(problems: Iterator[tuple[tuple, str | None]]) -> list[str]:
    return [f'{".".join(path)}: {text}' for path, text in problems if text]


def _parts(path: tuple, value: Any) -> Iterator[tuple[tuple, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _parts((*path, str(key)), item)
    else:
        yield path, value


def _obstacle(path: tuple, value: Any, config: Config) -> str | None:
    """Why MMEngine could not merge an option. None on its way is replaced by an empty dict, in place."""
    node: Any = config._cfg_dict
    for depth, key in enumerate(path[:-1], 1):
        place, node, here = node, _child(node, key), '.'.join(path[:depth])
        if node is None and isinstance(place, Mapping) and key in place:
            place[key] = {}
        if isinstance(node, list) and not (path[depth].isdigit() and int(path[depth]) < len(node)):
            return f'{here} is a list of {len(node)}, whose first part is {here}.0'
        if node is not None and not isinstance(node, PARTS):
            return f'{here} is {node!r}, without parts. Set the whole of it'
    if isinstance(node, list) and not isinstance(value, Mapping):
        return f'single parts of a list cannot be replaced. Set the whole of {".".join(path[:-1])}'
    return None


def _child(node: Any, key: str) -> Any:
    if isinstance(node, Mapping):
        return node.get(key)
    return node[int(key)] if isinstance(node, list) and key.isdigit() and int(key) < len(node) else None


def _top_problem(path: tuple, config: Config) -> str | None:
    if path[0] == 'launcher':
        return 'the launcher is an argument of its own, --launcher'
    return None if path[0] in READ else _explain(path, 0, config, READ)


def _problem(path: tuple, old: Config, new: Config) -> str | None:
    """Why nothing would read an option; None if something does, or might.

    Args:
        path: Names of the option.
        old: The config without the options.
        new: That with them.
    """
    top = path[0]
    if top == 'data_preprocessor' and top in (new.get('model') or {}):
        return f'the model has its own. Set model.{".".join(path)}'
    before, now = old._cfg_dict.get(top), new._cfg_dict.get(top)
    for depth, key in enumerate(path[1:], 1):
        if isinstance(now, Mapping) and not (isinstance(before, Mapping) and key in before):
            names = _names_at(path[:depth], now, new)
            if names is not None and key not in names | CONTROL:
                return _explain(path, depth, old, names)
        before, now = _child(before, key), _child(now, key)
    return None


def _names_at(place: tuple, settings: Mapping, config: Config) -> set[str] | None:
    """The names that are read in ``settings``, which lie at ``place`` in the config; None if any may be."""
    name, top = '.'.join(place), place[0]
    if name in UNTYPED:
        return UNTYPED[name]
    if name == 'default_hooks':
        return {key for key, value in settings.items() if isinstance(value, Mapping) and 'type' in value}
    if top == 'optim_wrapper' and 'constructor' in config.optim_wrapper:
        return None
    if name == 'optim_wrapper.paramwise_cfg':
        return PARAMWISE
    if name.startswith('optim_wrapper.paramwise_cfg.custom_keys.') and not any(
        isinstance(value, Mapping) for value in settings.values()
    ):
        return {'lr_mult', 'decay_mult'}
    kind = settings.get('type') or DEFAULT_TYPES.get(place[-1])
    classes = [kind] if callable(kind) else _registered(kind) if isinstance(kind, str) else []
    found = [arguments(each) for each in classes]
    if not found or None in found:
        return None
    return set().union(*found, TAKEN_OUT.get(top, ()))


def _registered(name: str) -> list[Callable]:
    registries = [value for value in vars(registry).values() if isinstance(value, Registry)]
    return [found for found in (each.get(name) for each in registries) if found is not None]


def arguments(kind: Callable) -> set[str] | None:
    """Names of the keyword arguments of a class or function, with those that it hands on to its base classes.

    None if it takes any, or hands them on elsewhere.
    """
    bases = [vars(base)['__init__'] for base in getattr(kind, '__mro__', ()) if '__init__' in vars(base)]
    names: set = set()
    for function in bases or [kind]:
        if function is object.__init__:
            return names if kind.__new__ is object.__new__ else None
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):  # of some functions written in C
            return None
        names |= {p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
        rest = [p.name for p in parameters if p.kind == p.VAR_KEYWORD]
        if not rest:
            return names
        if not _hands_on(function, rest[0]):
            return None
    return None


def _hands_on(function: Callable, name: str) -> bool:
    """Whether the only use of ``**name`` is that a constructor of a base class gets it."""
    try:
        nodes = list(ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))))
    except (OSError, TypeError, SyntaxError):
        return False
    calls = [n for n in nodes if isinstance(n, ast.Call) and getattr(n.func, 'attr', '') == '__init__']
    handed = [keyword.value for call in calls for keyword in call.keywords if keyword.arg is None]
    uses = [n for n in nodes if isinstance(n, ast.Name) and n.id == name]
    return bool(uses) and all(any(use is each for each in handed) for use in uses)


# ---- what was meant --------------------------------------------------------------------------------------------------
def _explain(path: tuple, depth: int, config: Config, names: set[str]) -> str | None:
    """That nothing reads the name at ``depth`` of an option, and what was probably meant; ``names`` are read there."""
    key, rest = path[depth], path[depth + 1 :]
    settings = config.to_dict()
    inside: Any = {name: value for name, value in settings.items() if name in READ}
    if depth == 0 and key in settings:
        if config.get('custom_imports'):
            return None  # modules of the user's own may read it
        found = list(_places(inside, lambda name, item: name == path[-1]))
        found = found if len(found) <= SHOWN else []
        text = f'{key} is a variable inside the config, which nothing reads any more'
        return f'{text}. Set {_listed(found)}' if found else text
    for part in path[:depth]:
        inside = _child(inside, part)
    inside = inside if isinstance(inside, Mapping) else {}
    found = list(_places(inside, lambda name, item: name == key and (not rest or isinstance(item, PARTS))))
    if not found:
        known = sorted(name for name in names | set(inside) if not rest or isinstance(inside.get(name, {}), PARTS))
        found = [(name,) for name in difflib.get_close_matches(key, known, 1, 0.5)]
    text = f'nothing reads {key}' + (f' in {".".join(path[:depth])}' if depth else '')
    return f'{text}. The nearest is {_listed([(*path[:depth], *place, *rest) for place in found])}' if found else text


def _places(settings: Any, wanted: Callable, place: tuple = ()) -> Iterator[tuple]:
    items = settings.items() if isinstance(settings, Mapping) else enumerate(settings)
    for key, item in items:
        here = (*place, str(key))
        if wanted(key, item):
            yield here
        elif isinstance(item, PARTS):
            yield from _places(item, wanted, here)


def _listed(places: list[tuple]) -> str:
    shown = ['.'.join(place) for place in places[:SHOWN]]
    return ', '.join(shown) + (f' and {len(places) - SHOWN} more' if len(places) > SHOWN else '')
