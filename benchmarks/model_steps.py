"""How fast a config's model trains or predicts in several settings, beside what the machine can do at most."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from machine import machine_peak, seeded
from mmengine.config import Config
from trial import Setting, Trial, build_model, build_wrapper

from mmfer.apis import load_config
from mmfer.engine.optim_wrappers import SAMOptimWrapper
from mmfer.models.flops import count_forward, count_parameters
from mmfer.models.stand_in_batch import stand_in_batch
from mmfer.structures.run_record import git_state, machine, versions
from mmfer.utils.memory import keep_freed_memory
from mmfer.utils.progress import track

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
    against: str | Path | Config | None = None,
    parts: bool = False,
) -> dict:
    """Time the training steps or the inference of a config's model in several settings, which take turns.

    A step begins at uint8 images in the host's memory and passes the data preprocessor, as in a training or a test; it
    ends with the optimizer's step (both passes where the config says SAM), or with the logits. Weights and images are
    random. In settings without ``tf32`` TF32 is off everywhere. A setting that fails is a row that says so.

    The arguments are the options of ``speed.py``. The result is plain values: ``rows``, one a batch size, setting and
    config, with ``error`` where it failed, else ``ms_per_step``, ``images_per_second``, ``ratio`` to the first row of
    the batch size (median over the rounds; above 1 means faster), ``of_peak`` (fractions of ``peaks``, operations a
    second), on a CPU ``of_conv_in_turn`` (the median of the fractions of the convolution's peak in each round),
    ``memory_mb``, ``first_step_seconds`` (with compilation), ``compiled`` and ``parts``; what was counted, of each
    config; the settings, machine and versions.

    Raises:
        ValueError: If an argument is out of bounds, or the config lacks a part.
    """
    if min(rounds, 1 if steps is None else steps, *(batches or (1,))) < 1 or warmup < 0:
        raise ValueError(f'{rounds=}, {steps=} and {batches=} must be at least 1, {warmup=} at least 0')
    configs = [load_config(each, cfg_options) for each in (config, against) if each is not None]
    config = configs[0]
    place = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    gpu = place.type == 'cuda'
    if gpu and not torch.cuda.is_available():
        raise ValueError(f'device={device!r}: PyTorch finds no GPU')
    if batches is None:
        own = (config.get('train_dataloader') or {}).get('batch_size', 1)
        batches = [own] if mode == 'train' else [1, 64, 256] if gpu else [1, 16]
    names = dict.fromkeys(settings or SETTINGS['cuda' if gpu else 'cpu'][mode])
    chosen = [Setting.parse(name, place, mode) for name in names]
    for each in configs if any('checkpoint_activations' in setting.extras for setting in chosen) else ():
        if not each.get('checkpoint_activations'):
            hint = '--cfg-options checkpoint_activations="[\'neck.encoder\']"'
            raise ValueError(f'{each.filename}: checkpoint_activations needs the names of the parts, such as {hint}')
    if mode == 'train' and not gpu:
        keep_freed_memory()  # for the rest of this process
    # without special hardware a CPU is slower in bfloat16: all its settings are measured by its float32
    measures = {setting.name: setting.precision if gpu else 'fp32' for setting in chosen}
    with seeded(seed):
        counted = [count_work(each, mode) for each in configs]
        peaks = [_peaks(measures.values(), place)]
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
                rows.append(_row(trial, size, trials[0].ms, counted[i % len(configs)], in_turn))
        peaks.append(_peaks(measures.values(), place))
    best = {name: {kernel: max(p[name][kernel] for p in peaks) for kernel in peaks[0][name]} for name in peaks[0]}
    for row in rows:
        if row['error'] is None:
            speed = row.pop('speed')
            row['of_peak'] = {kernel: speed / value for kernel, value in best[measures[row['setting']]].items()}
    return dict(
        mode=mode,
        config=str(config.filename),
        against=None if against is None else str(configs[1].filename),
        device=str(place),
        machine=machine(),
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
        operations=counted[0],
        operations_against=None if against is None else counted[1],
        peaks=best,
        rows=rows,
    )


def _peaks(precisions: Sequence[str], device: torch.device) -> dict[str, dict[str, float]]:
    return {name: machine_peak(name, device) for name in dict.fromkeys(precisions)}


def count_work(config: Config, mode: str) -> dict:
    """What is counted as the work of one image: operations, 2 a multiply-add, and passes; and the model's size."""
    model, files = build_model(config)
    model.eval()
    data = stand_in_batch(config, 'infer', 1)
    counted = count_forward(model, model.data_preprocessor(data, False)['inputs'])[0]
    size, original = POSTER_VAR
    parts = [part for part in (model.backbone, getattr(model, 'neck', None)) if part is not None]
    same = sum(map(count_parameters, parts)) == size
    if same and tuple(data['inputs'][0].shape) == (3, 224, 224):
        source, per_image = "the original's, 17.19 GFLOPs", original
    else:
        source, per_image = f'as PyTorch counts a forward pass, {counted / 1e9:.4g} GFLOPs', counted
    passes, rule = 1.0, 'a forward pass'
    if mode == 'train':
        wrapper = build_wrapper(config, model, 'fp32')
        passes = 3.0 * (1 + 1 / wrapper.interval) if isinstance(wrapper, SAMOptimWrapper) else 3.0
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
        not_read=files,
    )


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
