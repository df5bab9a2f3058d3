from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from mmengine.config import Config

from mmfer.engine import FERRunner
from mmfer.engine.resume.interrupt_hook import was_restarted
from mmfer.engine.run import build_runner, default_work_dir
from mmfer.engine.schedules import set_epochs
from mmfer.utils.checkpoint import list_checkpoints
from mmfer.utils.config_options import load_config, set_options, type_name

AMP_DTYPES = ('bfloat16', 'float16')


def train(
    config: str | Path | Config,
    work_dir: str | Path | None = None,
    load_from: str | Path | None = None,
    resume: bool = False,
    launcher: str = 'none',
    seed: int | None = None,
    cfg_options: Mapping | None = None,
    amp: str | None = None,
    tensorboard: bool = False,
    epochs: int | None = None,
) -> FERRunner:
    """Train the model of a config; with RecordHook a training that ends leaves ``finished.json`` in the work dir.

    A process that torchrun or Slurm has started again continues the newest checkpoint of the work dir.

    Args:
        config: Config file or object.
        work_dir: As all arguments down to ``cfg_options``: see :func:`mmfer.build_runner`.
        amp: Number format of mixed precision, ``'bfloat16'`` or ``'float16'``; None leaves it to the config.
        tensorboard: Also write the scalars for TensorBoard.
        epochs: Train for so many, with every schedule stretched to them (see
            :func:`mmfer.engine.schedules.set_epochs`); ``cfg_options`` are set afterwards.

    Returns:
        The runner, at the end of its training.
    """
    config = train_config(config, cfg_options, amp, tensorboard, epochs)
    work_dir = default_work_dir(config) if work_dir is None else work_dir
    if was_restarted() and list_checkpoints(work_dir):
        resume, load_from = True, None
    runner = build_runner(config, work_dir, load_from, resume, launcher, seed)
    runner.train()
    return runner


def train_config(
    config: str | Path | Config,
    cfg_options: Mapping | None = None,
    amp: str | None = None,
    tensorboard: bool = False,
    epochs: int | None = None,
) -> Config:
    """The config that :func:`train` trains with these arguments."""
    config = load_config(config)
    if epochs is not None:
        set_epochs(config, epochs)
    set_options(config, cfg_options)
    if amp is not None:
        set_amp(config, amp)
    if tensorboard:
        add_tensorboard(config)
    return config


def set_amp(config: Config, dtype: str) -> None:
    """Make a config train with automatic mixed precision.

    MMEngine's plain OptimWrapper becomes AutocastOptimWrapper; AutocastOptimWrapper and SAMOptimWrapper get the
    ``dtype``.

    Raises:
        ValueError: If the config has another optimizer wrapper.
    """
    if dtype not in AMP_DTYPES:
        raise ValueError(f'amp={dtype!r}: expected one of {", ".join(AMP_DTYPES)}')
    wrapper = config.get('optim_wrapper') or {}
    name = type_name(wrapper.get('type', 'OptimWrapper'))
    if name == 'OptimWrapper':
        wrapper['type'] = 'mmfer.engine.optim_wrappers.AutocastOptimWrapper'
    elif name not in ('AutocastOptimWrapper', 'SAMOptimWrapper'):
        raise ValueError(
            f'mixed precision is an option of OptimWrapper, AutocastOptimWrapper and SAMOptimWrapper; this config has '
            f'optim_wrapper.type={name}: set its own options, or train without'
        )
    wrapper['dtype'] = dtype
    config.optim_wrapper = wrapper


def add_tensorboard(config: Config) -> None:
    """Make a config write its scalars for TensorBoard too.

    Raises:
        ValueError: If tensorboard is not installed.
    """
    if find_spec('tensorboard') is None:
        raise ValueError(
            "tensorboard is not installed: pip install tensorboard (part of pip install 'mmfer[optional]')"
        )
    visualizer = dict(config.get('visualizer') or dict(type='mmengine.visualization.Visualizer'))
    backends = list(visualizer.get('vis_backends') or [dict(type='mmengine.visualization.LocalVisBackend')])
    if 'TensorboardVisBackend' not in [type_name(backend['type']) for backend in backends]:
        backends.append(dict(type='mmengine.visualization.TensorboardVisBackend'))
    config.visualizer = dict(visualizer, vis_backends=backends)
