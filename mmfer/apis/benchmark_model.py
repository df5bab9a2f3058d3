"""How fast a config's model trains or predicts in several settings, beside what the machine can do at most."""

from __future__ import annotations

import copy
import statistics
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config

from mmfer.engine.optim_wrappers import SAMOptimWrapper
from mmfer.utils.progress import track
from mmfer.utils.provenance import git_state, machine, versions
from mmfer.utils.tables import render_table

from .benchmark_setup import build_wrapper, count_operations, stand_in_batch
from .benchmark_trial import Setting, Trial
from .machine_peak import machine_peak
from .run import load_config

SETTINGS = dict(
    cuda=dict(
        train=('fp32', 'tf32', 'bf16', 'bf16+compile', 'fp32+compile'),
        infer=('fp32', 'tf32', 'bf16', 'bf16+compile', 'fp32+compile'),
    ),
    cpu=dict(train=('fp32',), infer=('fp32',)),
)
# The parameters of POSTER-Var's backbone and neck here, and the operations an image of the authors' code at 224x224
POSTER_VAR = (43_752_398, 17.19e9)


def benchmark_model(
    config: str | Path | Config,
    mode: str = 'train',
    batches: Sequence[int] | None = None,
    settings: Sequence[str] | None = None,
    device: str | None = None,
    steps: int | None = None,
    rounds: int = 5,
    warmup: int = 3,
    backend: str = 'inductor',
    seed: int = 0,
    cfg_options: Mapping | None = None,
) -> dict:
    """Time the training steps or the inference of a config's model in several settings, which take turns.

    A step begins at uint8 images in the host's memory and passes the data preprocessor, as in a training or a test; it
    ends with the optimizer's step (both passes where the config says SAM), or with the logits. Weights and images are
    random. In settings without ``tf32`` TF32 is off everywhere. A setting that fails is a row that says so.

    Args:
        config: Config file or object.
        mode: ``'train'`` or ``'infer'``.
        batches: Batch sizes; by default the config's own for ``'train'``, else 1, 64, 256 (on the CPU 1, 16).
        settings: See :meth:`Setting.parse`; the others are compared with the first. ``SETTINGS`` by default.
        device: Where to run; the GPU if there is one.
        steps: Steps of one setting in a round; by default as many as fit into about a second.
        rounds: Times that each setting has its turn.
        warmup: Steps after the first one that are not measured.
        backend: Of ``torch.compile``.
        seed: Seed of weights, images and noise.
        cfg_options: Dotted names to values, set in the config.

    Returns:
        Dict of plain values. ``rows``, one a batch size and setting, have ``error`` where it failed, else None and
        ``ms_per_step`` (median, best, worst, all), ``images_per_second``, ``ratio`` to the first setting (median over
        the rounds; above 1 means faster), ``of_peak``, ``memory_mb`` (peak; on a GPU), ``first_step_seconds`` (with
        compilation) and ``compiled``. ``peaks``: operations a second. ``operations``: what was counted. And the
        settings, machine and versions.

    Raises:
        FileNotFoundError: If the config does not exist.
        ValueError: If an argument is out of bounds, or the config lacks a part.
    """
    if mode not in ('train', 'infer'):
        raise ValueError(f"mode={mode!r}: 'train' or 'infer'")
    batches = None if batches is None else list(batches)
    for name, value in dict(steps=steps, rounds=rounds, batches=batches and min(batches)).items():
        if value is not None and value < 1:
            raise ValueError(f'{name}={value} must be at least 1')
    if warmup < 0:
        raise ValueError(f'warmup={warmup} must not be negative')
    config = copy.deepcopy(config) if isinstance(config, Config) else load_config(config)
    if cfg_options:
        config.merge_from_dict(dict(cfg_options))
    place = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    gpu = place.type == 'cuda'
    if gpu and not torch.cuda.is_available():
        raise ValueError(f'device={device!r}: PyTorch finds no GPU')
    if batches is None:
        own = (config.get('train_dataloader') or {}).get('batch_size', 1)
        batches = [own] if mode == 'train' else [1, 64, 256] if gpu else [1, 16]
    chosen = [
        Setting.parse(text, place) for text in dict.fromkeys(settings or SETTINGS['cuda' if gpu else 'cpu'][mode])
    ]
    with _seeded(seed):
        operations, notes = _operations(config, mode)
        # without special hardware a CPU is slower in bfloat16: all its settings are measured by its float32
        precisions = dict.fromkeys(setting.precision if gpu else 'fp32' for setting in chosen)
        peaks = [{name: machine_peak(name, place) for name in precisions}]
        rows = []
        for size in batches:
            data = stand_in_batch(config, mode, size)
            trials = [Trial(config, mode, setting, place, data, backend, seed) for setting in chosen]
            _take_turns(trials, f'batch {size}', steps, rounds, warmup)
            rows += [_row(trial, size, trials[0].ms) for trial in trials]
        peaks.append({name: machine_peak(name, place) for name in precisions})
    best = {
        name: {kernel: max(peak[name][kernel] for peak in peaks) for kernel in peaks[0][name]} for name in precisions
    }
    for row in rows:
        if row['error'] is None:
            speed = row['images_per_second'] * operations['per_image'] * operations['passes']
            precision = Setting.parse(row['setting'], place).precision if gpu else 'fp32'
            row['of_peak'] = {kernel: speed / value for kernel, value in best[precision].items()}
    return dict(
        mode=mode,
        config=str(config.filename),
        device=str(place),
        machine=machine(),
        driver=_driver() if gpu else None,
        cudnn=torch.backends.cudnn.version() if gpu else None,
        cudnn_benchmark=bool((config.get('env_cfg') or {}).get('cudnn_benchmark', False)),
        versions=versions(),
        git=git_state(),
        channels_last=bool(config.get('channels_last', False)),
        steps=steps,
        rounds=rounds,
        warmup=warmup,
        backend=backend,
        seed=seed,
        operations=operations,
        peaks=best,
        notes=notes,
        rows=rows,
    )


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    state = np.random.get_state()
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            np.random.seed(seed)
            yield
    finally:
        np.random.set_state(state)


def _operations(config: Config, mode: str) -> tuple[dict, list[str]]:
    """What is counted as the work of one image, and remarks about the model."""
    data = stand_in_batch(config, 'infer', 1)
    counted, model, files = count_operations(config, data)
    notes = [f'random weights; not read: {", ".join(files)}'] if files else []
    size, original = POSTER_VAR
    parts = [part for part in (model.backbone, getattr(model, 'neck', None)) if part is not None]
    same = sum(p.numel() for part in parts for p in part.parameters()) == size
    if same and tuple(data['inputs'][0].shape) == (3, 224, 224):
        source, per_image = "the original's, 17.19 GFLOPs", original
    else:
        source, per_image = f'as PyTorch counts a forward pass, {counted / 1e9:.4g} GFLOPs', counted
    passes, rule = 1.0, 'a forward pass'
    if mode == 'train':
        wrapper = build_wrapper(config, model, 'fp32')
        sam = isinstance(wrapper, SAMOptimWrapper)
        passes = 3.0 * (1 + 1 / wrapper.interval) if sam else 3.0
        rule = f'x {passes:g} for a training step of {type(wrapper).__name__} around {type(wrapper.optimizer).__name__}'
    parameters = sum(p.numel() for p in model.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return dict(
        per_image=per_image,
        source=source,
        passes=passes,
        rule=rule,
        counted=counted,
        parameters=parameters,
        trained_parameters=trained,
        image=list(data['inputs'][0].shape),
    ), notes


def _take_turns(trials: Sequence[Trial], name: str, steps: int | None, rounds: int, warmup: int) -> None:
    try:
        for trial in track(trials, len(trials), f'Preparing {name}'):
            trial.start(warmup)
        for _ in track(range(rounds), rounds, f'Timing {name}'):
            for trial in trials:
                trial.measure(steps)
    finally:
        torch._dynamo.reset()  # it keeps few graphs of a function, and the models in them
        for trial in trials:
            trial.close()


def _row(trial: Trial, size: int, base: Sequence[float]) -> dict:
    row = dict(batch=size, setting=trial.setting.name, error=trial.error)
    if trial.error is not None:
        return row
    median = statistics.median(trial.ms)
    return dict(
        row,
        ms_per_step=dict(median=median, best=min(trial.ms), worst=max(trial.ms), all=trial.ms),
        images_per_second=1e3 * size / median,
        ratio=statistics.median(b / a for a, b in zip(trial.ms, base)) if base else None,
        memory_mb=trial.memory_mb,
        first_step_seconds=trial.first_step_seconds,
        compiled=trial.compiled,
    )


def _driver() -> str | None:
    command = ['nvidia-smi', '--query-gpu=driver_version', '--format=csv,noheader']
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.split('\n')[0].strip() or None


def benchmark_report(result: Mapping) -> str:
    """The result of :func:`benchmark_model` as text for people."""
    host, work = result['machine'], result['operations']
    lines = [
        f'{result["mode"]} of {result["config"]}: {work["parameters"] / 1e6:.2f} M parameters, '
        f'{work["trained_parameters"] / 1e6:.2f} M trained, images {tuple(work["image"])}',
        f'{host["device"]}, run on {result["device"]}, {host["threads"]} thread(s), {host["system"]}'
        + (f', driver {result["driver"]}, cuDNN {result["cudnn"]}' if result['driver'] else ''),
        ', '.join(f'{name} {version}' for name, version in result['versions'].items()) + f', git: {result["git"]}',
        f'TF32 is off but in settings named tf32; cudnn_benchmark={result["cudnn_benchmark"]}, '
        f'channels_last={result["channels_last"]}',
        f'operations an image: {work["source"]}, {work["rule"]}',
        *result['notes'],
    ]
    scale, unit = (1e12, 'TFLOP/s') if result['device'].startswith('cuda') else (1e9, 'GFLOP/s')
    peaks = [(n, f'{p["matmul"] / scale:.0f}', f'{p["conv"] / scale:.0f}') for n, p in result['peaks'].items()]
    tables = [render_table((f'peak, {unit}', 'matrix product', '3x3 convolution'), peaks)]
    header = ('setting', 'ms a step', 'best', 'worst', 'images/s', 'times as fast', 'of matrix peak', 'of conv. peak')
    for size in dict.fromkeys(row['batch'] for row in result['rows']):
        rows = [_cells(row) for row in result['rows'] if row['batch'] == size]
        title = f'batch {size}, median of {result["rounds"]} rounds'
        tables.append(render_table((*header, 'peak MB', 'first step s', 'compile'), rows, title=title))
    failed = [f'{row["setting"]}, batch {row["batch"]}: {row["error"]}' for row in result['rows'] if row['error']]
    if not result['device'].startswith('cuda'):
        failed.append('peak memory is measured on GPUs only')
    return '\n\n'.join(['\n'.join(lines), *tables, *(['\n'.join(failed)] if failed else [])])


def _cells(row: Mapping) -> tuple:
    if row['error'] is not None:
        return (row['setting'], 'failed', *[''] * 9)
    ms, found = row['ms_per_step'], row['compiled']
    return (
        row['setting'],
        *(f'{ms[key]:.2f}' for key in ('median', 'best', 'worst')),
        f'{row["images_per_second"]:.4g}',
        '' if row['ratio'] is None else f'{row["ratio"]:.2f}',
        *(f'{row["of_peak"][kernel]:.3f}' for kernel in ('matmul', 'conv')),
        '' if row['memory_mb'] is None else f'{row["memory_mb"]:.0f}',
        f'{row["first_step_seconds"]:.1f}',
        '' if found is None else compile_text(found),
    )


def compile_text(found: Mapping[str, int]) -> str:
    """What torch.compile made of the model, in words."""
    text = f'{found["graphs"]} graph(s), {found["graph_breaks"]} break(s)'
    text += f', {found["fallbacks"]} frame(s) not compiled' if found['fallbacks'] else ''
    return text + (f', {found["graphs_later"]} recompiled while timed' if found['graphs_later'] else '')
