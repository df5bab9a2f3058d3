"""How fast a config's model trains or predicts in several settings, beside what the machine can do at most."""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config

from mmfer.apis.flops import count_parameters
from mmfer.apis.run import load_config
from mmfer.apis.stand_in_batch import stand_in_batch
from mmfer.engine.optim_wrappers import SAMOptimWrapper
from mmfer.structures.run_record import git_state, machine, versions
from mmfer.utils.memory import keep_freed_memory
from mmfer.utils.progress import track

from .machine_peak import machine_peak
from .setup import build_wrapper, count_operations
from .trial import Setting, Trial

SETTINGS = dict(
    cuda=dict(
        train=('fp32', 'tf32', 'bf16', 'bf16+compile', 'fp32+compile'),
        infer=('fp32', 'tf32', 'bf16', 'bf16+compile', 'fp32+compile', 'bf16+optimized', 'bf16+optimized+compile'),
    ),
    cpu=dict(train=('fp32',), infer=('fp32', 'fp32+optimized')),
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
    against: str | Path | Config | None = None,
    parts: bool = False,
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
        cfg_options: Dotted names to values, set in both configs.
        against: Another config whose model takes turns with the first, in the same settings.
        parts: Also time the parts of the models, after all rounds.

    Returns:
        Dict of plain values. ``rows``, one a batch size, setting and config, have ``error`` where it failed, else None
        and ``ms_per_step`` (median, best, worst, all), ``images_per_second``, ``ratio`` to the first row of the batch
        size (median over the rounds; above 1 means faster), ``of_peak``, on a CPU ``of_conv_in_turn`` (median of the
        fractions of the peak of the convolution that each round measured), ``memory_mb`` (peak, see
        :class:`~mmfer.benchmark.peak_memory.PeakMemory`), ``first_step_seconds`` (with compilation), ``compiled`` and
        ``parts``. ``peaks``: operations a second. ``operations``: what was counted, of each config. And the settings,
        machine and versions.

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
    config = load_config(config, cfg_options)
    place = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    gpu = place.type == 'cuda'
    if gpu and not torch.cuda.is_available():
        raise ValueError(f'device={device!r}: PyTorch finds no GPU')
    if batches is None:
        own = (config.get('train_dataloader') or {}).get('batch_size', 1)
        batches = [own] if mode == 'train' else [1, 64, 256] if gpu else [1, 16]
    chosen = [
        Setting.parse(text, place, mode) for text in dict.fromkeys(settings or SETTINGS['cuda' if gpu else 'cpu'][mode])
    ]
    if mode == 'train' and not gpu:
        keep_freed_memory()  # for the rest of this process
    configs = [config] if against is None else [config, load_config(against, cfg_options)]
    for setting in chosen:
        for each in configs if 'checkpoint_activations' in setting.extras else ():
            if not each.get('checkpoint_activations'):
                hint = '--cfg-options checkpoint_activations="[\'neck.encoder\']"'
                raise ValueError(f'setting {setting.name!r}: {each.filename}: name the parts, such as {hint}')
    with _seeded(seed):
        counted = [_operations(each, mode) for each in configs]
        # without special hardware a CPU is slower in bfloat16: all its settings are measured by its float32
        precisions = dict.fromkeys(setting.precision if gpu else 'fp32' for setting in chosen)
        peaks = [{name: machine_peak(name, place) for name in precisions}]
        rows = []
        for size in batches:
            batches_of = [stand_in_batch(each, mode, size) for each in configs]
            trials = [
                Trial(each, mode, setting, place, data, backend, seed)
                for setting in chosen
                for each, data in zip(configs, batches_of)
            ]
            in_turn = _take_turns(trials, f'batch {size}', steps, rounds, warmup, parts)
            for i, trial in enumerate(trials):
                rows.append(_row(trial, size, trials[0].ms, counted[i % len(configs)][0], in_turn))
        peaks.append({name: machine_peak(name, place) for name in precisions})
    best = {
        name: {kernel: max(peak[name][kernel] for peak in peaks) for kernel in peaks[0][name]} for name in precisions
    }
    for row in rows:
        if row['error'] is None:
            speed = row.pop('speed')
            precision = Setting.parse(row['setting'], place, mode).precision if gpu else 'fp32'
            row['of_peak'] = {kernel: speed / value for kernel, value in best[precision].items()}
    return dict(
        mode=mode,
        config=str(config.filename),
        against=None if against is None else str(configs[1].filename),
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
        operations=counted[0][0],
        operations_against=None if against is None else counted[1][0],
        peaks=best,
        notes=[note for _, notes in counted for note in notes],
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
    return dict(
        per_image=per_image,
        source=source,
        passes=passes,
        rule=rule,
        counted=counted,
        parameters=count_parameters(model),
        trained_parameters=count_parameters(model, trained=True),
        image=list(data['inputs'][0].shape),
    ), notes


def _take_turns(
    trials: Sequence[Trial], name: str, steps: int | None, rounds: int, warmup: int, parts: bool
) -> list[float]:
    """Time all trials in turn; the peak of the convolution in each round, on a CPU, whose clock comes and goes."""
    device, peaks = trials[0].device, []
    try:
        for trial in track(trials, len(trials), f'Preparing {name}'):
            trial.start(warmup)
        for _ in track(range(rounds), rounds, f'Timing {name}'):
            if device.type == 'cpu':
                peaks.append(machine_peak('fp32', device, repeats=3, kernels=('conv',))['conv'])
            for trial in trials:
                trial.measure(steps)
        for trial in trials if parts else ():
            trial.measure_parts(min(rounds, 3))
    finally:
        torch._dynamo.reset()  # it keeps few graphs of a function, and the models in them
        for trial in trials:
            trial.close()
    return peaks


def _row(trial: Trial, size: int, base: Sequence[float], work: Mapping, peaks: Sequence[float]) -> dict:
    row = dict(batch=size, setting=trial.setting.name, config=str(trial.config.filename), error=trial.error)
    if trial.error is not None:
        return row
    median = statistics.median(trial.ms)
    speeds = [1e3 * size * work['per_image'] * work['passes'] / ms for ms in trial.ms]
    return dict(
        row,
        ms_per_step=dict(median=median, best=min(trial.ms), worst=max(trial.ms), all=trial.ms),
        images_per_second=1e3 * size / median,
        ratio=statistics.median(b / a for a, b in zip(trial.ms, base)) if base else None,
        speed=1e3 * size * work['per_image'] * work['passes'] / median,
        of_conv_in_turn=statistics.median(a / b for a, b in zip(speeds, peaks)) if peaks else None,
        memory_mb=trial.memory_mb,
        first_step_seconds=trial.first_step_seconds,
        compiled=trial.compiled,
        parts=trial.parts,
    )


def _driver() -> str | None:
    command = ['nvidia-smi', '--query-gpu=driver_version', '--format=csv,noheader']
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.split('\n')[0].strip() or None
