from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from mmfer.engine import FERRunner
from mmfer.evaluation import PredictionDump


def load_config(path: str | Path, cfg_options: Mapping | None = None) -> Config:
    """Read a config file, set ``cfg_options`` (dotted names to values) in it, and import its ``custom_imports``.

    Modules are imported from the current folder as well as from PYTHONPATH.

    Raises:
        FileNotFoundError: If there is no such file; the configs beside it are listed.
        ValueError: If a module of ``custom_imports`` cannot be imported.
    """
    path = Path(path)
    if not path.is_file():
        folder = path.parent if path.parent.is_dir() else Path('.')
        found = ', '.join(sorted(p.name for p in folder.glob('*.py'))) or 'no configs'
        raise FileNotFoundError(f'config not found: {path} (in {folder}: {found})')
    config = Config.fromfile(str(path))
    if cfg_options:
        config.merge_from_dict(dict(cfg_options))
    _import_modules(config.get('custom_imports'))
    return config


def _import_modules(custom_imports: Mapping | None) -> None:
    # MMEngine does this for configs of the old style only.
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


def build_runner(
    config: str | Path | Config,
    work_dir: str | Path | None = None,
    load_from: str | Path | None = None,
    resume: bool = False,
    launcher: str = 'none',
    seed: int | None = None,
    cfg_options: Mapping | None = None,
) -> FERRunner:
    """The runner of a config, ready for ``train()`` or ``test()``.

    Args:
        config: Config file or object.
        work_dir: Where logs and checkpoints go; ``work_dirs/<folder>/<name of the config>`` by default.
        load_from: Checkpoint to test, to start from, or with ``resume`` to continue.
        resume: Continue the newest run in ``work_dir``, or ``load_from``.
        launcher: ``'none'``, ``'pytorch'`` (torchrun), ``'slurm'`` or ``'mpi'``.
        seed: Replaces the seed of the config.
        cfg_options: Dotted names to values, set in the config.
    """
    if not isinstance(config, Config):
        config = load_config(config, cfg_options)
    elif cfg_options:
        config.merge_from_dict(dict(cfg_options))
    if work_dir is not None:
        config.work_dir = str(work_dir)
    elif config.get('work_dir') is None:
        file = Path(config.filename)
        config.work_dir = str(Path('work_dirs', file.resolve().parent.name, file.stem))
    config.launcher = launcher
    config.resume = resume
    if load_from is not None:
        config.load_from = str(load_from)
    if seed is not None:
        config.randomness = dict(config.get('randomness') or {}, seed=seed)
    return FERRunner.from_cfg(config)


def evaluate(
    config: str | Path | Config,
    checkpoint: str | Path,
    out: str | Path | None = None,
    work_dir: str | Path | None = None,
    launcher: str = 'none',
    cfg_options: Mapping | None = None,
) -> dict[str, float]:
    """Test a checkpoint on the test data of a config.

    Args:
        config: Config file or object.
        checkpoint: A checkpoint that mmfer trained or converted; it must fit the config's model.
        out: JSON file for the metrics and every image's label, prediction and scores.
        work_dir: Folder of the logs.
        launcher: See :func:`build_runner`.
        cfg_options: Dotted names to values, set in the config.

    Returns:
        The metrics by name.
    """
    if out is not None and Path(out).suffix != '.json':
        raise ValueError(f'out={out}: the results are JSON, name a file that ends in .json')
    runner = build_runner(config, work_dir=work_dir, load_from=checkpoint, launcher=launcher, cfg_options=cfg_options)
    dump = PredictionDump()
    if out is not None:
        evaluator = runner.test_loop.evaluator
        dump.dataset_meta = evaluator.dataset_meta
        evaluator.metrics.append(dump)
    metrics = runner.test()
    if out is not None and runner.rank == 0:
        dump.write(out, config=str(runner.cfg.filename), checkpoint=str(checkpoint), seed=runner.seed, metrics=metrics)
        runner.logger.info(f'{len(dump.predictions)} predictions written to {out}')
    return metrics
