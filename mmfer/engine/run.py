from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hooks import PrepareTTAHook

from mmfer.engine import FERRunner
from mmfer.models import ExpressionTTA
from mmfer.utils.config_options import load_config, type_name
from mmfer.utils.views import check_views
from mmfer.weights import checkpoint_file


def default_work_dir(config: Config) -> Path:
    """The config's own work dir, or ``work_dirs/<folder>/<name of the config>``."""
    if config.get('work_dir') is not None:
        return Path(config.work_dir)
    file = Path(config.filename)
    return Path('work_dirs', file.resolve().parent.name, file.stem)


def build_runner(
    config: str | Path | Config,
    work_dir: str | Path | None = None,
    load_from: str | Path | None = None,
    resume: bool = False,
    launcher: str = 'none',
    seed: int | None = None,
    cfg_options: Mapping | None = None,
    tta: str | None = None,
) -> FERRunner:
    """The runner of a config, ready for ``train()`` or ``test()``.

    Args:
        config: Config file or object; an object stays as it is.
        work_dir: Where logs and checkpoints go; ``work_dirs/<folder>/<name of the config>`` by default.
        load_from: Checkpoint to test, to start from, or with ``resume`` to continue; here and in the config also
            the name of a model whose weights come with mmfer.
        resume: Continue ``load_from``, or if that is None the newest checkpoint in ``work_dir``; where there is none,
            the training starts. False leaves it to the config.
        launcher: ``'none'``, ``'pytorch'`` (torchrun), ``'slurm'`` or ``'mpi'``.
        seed: Replaces the seed of the config.
        cfg_options: Dotted names to values, set in the config.
        tta: Views of test-time augmentation, see :func:`add_views`.
    """
    config = load_config(config, cfg_options)
    if tta is not None:
        add_views(config, tta)
    config.work_dir = str(default_work_dir(config) if work_dir is None else work_dir)
    _name_classes(config._cfg_dict)
    config.launcher = launcher
    config.resume = resume or config.get('resume', False)
    if load_from is not None:
        config['resume' if config.resume else 'load_from'] = str(load_from)
    if seed is not None:
        config.randomness = dict(config.get('randomness') or {}, seed=seed)
    runner = FERRunner.from_cfg(config)
    if runner._load_from:  # the config keeps the name of a shipped model, whose file lies elsewhere on other machines
        runner._load_from = str(checkpoint_file(runner._load_from))
    return runner


def add_views(config: Config, tta: str) -> None:
    """Let ``config`` test on several views of each image: its ``custom_hooks`` get a ``PrepareTTAHook``.

    Args:
        config: Changed in place.
        tta: ``views`` of ``ExpressionTTA``.

    Raises:
        ValueError: If there are no such views, or the config has such a hook.
    """
    hooks = list(config.get('custom_hooks') or ())
    for hook in hooks:
        if type_name(hook['type'] if isinstance(hook, dict) else type(hook)) == 'PrepareTTAHook':
            raise ValueError(f'{config.filename} has a PrepareTTAHook already. Take it out, or leave out tta={tta!r}')
    hook = dict(type=PrepareTTAHook, tta_cfg=dict(type=ExpressionTTA, views=check_views(tta)))
    config.custom_hooks = [*hooks, hook]


def _name_classes(settings: Any) -> Any:
    """Replace, in place, classes that were assigned into a loaded config by their names: MMEngine cannot dump them."""
    if isinstance(settings, type):
        return f'{settings.__module__}.{settings.__qualname__}'
    if isinstance(settings, dict):
        for key, value in dict.items(settings):  # ConfigDict's own method would resolve what is still unresolved
            named = _name_classes(value)
            if named is not value:
                dict.__setitem__(settings, key, named)
    elif isinstance(settings, list):
        settings[:] = map(_name_classes, settings)
    return settings
