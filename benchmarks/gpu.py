#!/usr/bin/env python
"""All that is to be known of a GPU, in one run of less than ten minutes, from the root of a checkout.

    pip install onnxruntime-gpu || true
    python benchmarks/gpu.py --out gpu.json

Steps of SAM and inference of POSTER-Var in several precisions, compiled and as CUDA graphs, beside the peaks of a
matrix product and a convolution in the same process; the exported shipped model in onnxruntime; a training by DDP in
one process; and two trainings on FER+ (data/ferplus) for the time that is left.

Each part is a process of its own and has a limit. One that fails or runs out of it is logged as such, with what it had
measured, and the others go on. FILE.json is written after each. Without a GPU, or with --small, all parts run on a tiny
network and drawn faces: to try the script, not to measure.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

Save = Callable[[dict], None]
ROOT = Path(__file__).resolve().parents[1]
SMALL = ('train_dataloader.dataset.num_samples=128', 'val_dataloader.dataset.num_samples=64')
# POSTER-Var without the pretrained networks that the config begins from, and so with a rate for random weights
FROM_SCRATCH = ('model.backbone.image.init_cfg=None', 'model.backbone.landmark.init_cfg=None')
FROM_SCRATCH += (
    'optim_wrapper.optimizer.lr=5e-4',
    'train_dataloader.batch_size=144',
    'train_dataloader.num_workers=12',
)


class Part(NamedTuple):
    """``run(save, small, seconds)``, and the most seconds that it may take; None is what is left."""

    seconds: float | None
    run: Callable[[Save, bool, float], None]


# ---- steps of the model ----------------------------------------------------------------------------------------------
def model_part(mode: str, batches: Sequence[int], settings: Sequence[str], few: Sequence[str]) -> Callable:
    """Measure settings that take turns, a batch size after the other; ``few`` are those of the small run."""

    def run(save: Save, small: bool, seconds: float) -> None:
        import machine
        from model_steps import benchmark_model

        if small:
            machine.SIZES['cpu'] = (256, (1, 16, 28), 1)  # peaks that take no time, and say nothing
        options: dict[str, Any] = dict(rounds=1, warmup=1, steps=1, backend='aot_eager') if small else dict(rounds=3)
        config, result = ('poster_var/synth_sam' if small else 'poster_var/raf'), dict(rows=[], peaks={})
        for batch in (2,) if small else batches:
            found = benchmark_model(config, mode, [batch], few if small else settings, **options)
            result.update(config=found['config'], operations=found['operations'], cudnn=found['cudnn'])
            result['peaks'][str(batch)] = found['peaks']
            result['rows'] += [dict(row, of_bf16_peak=of_bf16(row, found)) for row in found['rows']]
            save(result)
        if all(row['error'] for row in result['rows']):
            raise RuntimeError(f'no setting could be measured: {result["rows"][0]["error"]}')

    return run


def of_bf16(row: Mapping, found: Mapping) -> dict[str, float] | None:
    """Shares of bfloat16's peaks in the same run; None where the row failed or they were not measured."""
    if row['error'] or 'bf16' not in found['peaks']:
        return None
    speed = row['images_per_second'] * found['operations']['per_image'] * found['operations']['passes']
    return {kernel: speed / peak for kernel, peak in found['peaks']['bf16'].items()}


# ---- the exported model ----------------------------------------------------------------------------------------------
def run_onnx(save: Save, small: bool, seconds: float) -> None:
    """Times of the shipped model, and how far the GPU's answers are from those of the CPU."""
    import numpy as np

    from mmfer.inference.onnx import OnnxClassifier, can_use_gpu
    from mmfer.weights import DEFAULT, shipped_file

    path, gpu = shipped_file(DEFAULT, '.onnx'), can_use_gpu()
    rng, rows = np.random.default_rng(0), []
    for batch in (1, 4) if small else (1, 64, 256):
        models = {'cpu': OnnxClassifier(path, batch=batch)}
        if gpu:
            models['gpu'] = OnnxClassifier(path, batch=batch, gpu=0)
        faces = rng.integers(0, 256, (batch, 3, *models['cpu'].size), np.uint8)
        scores = {device: model(faces)['pred_score'] for device, model in models.items()}
        for device, model in models.items():
            for _ in range(2 if small else 10):
                model(faces)
            times = []
            for _ in range(3 if small else 50):
                start = time.perf_counter()
                model(faces)
                times.append(1e3 * (time.perf_counter() - start))
            far = float(np.abs(scores[device] - scores['cpu']).max())
            rows.append(dict(device=device, batch=batch, ms=statistics.median(times), largest_difference=far))
        save(dict(rows=rows))
    if not gpu and not small:
        raise RuntimeError('onnxruntime lacks CUDA, so only the CPU was measured: pip install onnxruntime-gpu')


# ---- trainings -------------------------------------------------------------------------------------------------------
def train(config: str, work_dir: Path, *words: str, launcher: Sequence[str] = ()) -> dict:
    """Run ``mmfer train`` and read its log: images a second (median), the last figures of validation, seconds."""
    start = time.monotonic()
    command = [sys.executable, *launcher, '-m', 'mmfer', 'train', config, '--work-dir', str(work_dir), *words]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f'{" ".join(command[1:])}: {done.stderr.strip()[-1500:]}')
    lines = [line for file in work_dir.glob('*/vis_data/scalars.json') for line in file.read_text().splitlines()]
    scalars = [json.loads(line) for line in lines]
    speeds = [each['images_per_s'] for each in scalars if 'images_per_s' in each]
    finished = json.loads((work_dir / 'finished.json').read_text())
    return dict(
        command=f'mmfer train {config} {" ".join(words)}',
        seconds=time.monotonic() - start,
        training_seconds=finished['seconds'],
        epochs=finished['epochs'],
        images_per_s=statistics.median(speeds[1:] or speeds) if speeds else None,
        loss=[each['loss'] for each in scalars if 'loss' in each][-1:],
        validation=[each for each in scalars if 'accuracy' in each][-1:],
    )


def run_ddp(save: Save, small: bool, seconds: float) -> None:
    """The tiny POSTER-Var without and with DistributedDataParallel around it, in one process."""
    options = ['train_cfg.val_interval=2', 'default_hooks.logger.interval=5']
    options += SMALL[:1] if small else ['train_dataloader.dataset.num_samples=3840']
    words = ('--epochs', '1', '--cfg-options', *options)
    torchrun = ('-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', '1')
    with tempfile.TemporaryDirectory() as place:
        plain = train('poster_var/synth', Path(place, 'plain'), *words)
        save(dict(plain=plain))
        ddp = train('poster_var/synth', Path(place, 'ddp'), '--launcher', 'pytorch', *words, launcher=torchrun)
        save(dict(plain=plain, ddp=ddp))


def training_part(config: str, *options: str, amp: str = '') -> Callable:
    """One epoch, then as many as fit into the time that is left, from the start again."""

    def run(save: Save, small: bool, seconds: float) -> None:
        name, words = ('poster_var/synth', SMALL) if small else (config, options)
        ends = time.monotonic() + seconds
        if not small and not (ROOT / 'data/ferplus').is_dir():
            raise FileNotFoundError('there is no data/ferplus: see docs/datasets.md')
        more = [*(['--amp', amp] if amp and not small else []), *(['--cfg-options', *words] if words else [])]
        with tempfile.TemporaryDirectory() as place:
            first = train(name, Path(place, 'first'), '--epochs', '1', *more)
            save(first)
            spare = ends - time.monotonic() - 1.2 * (first['seconds'] - first['training_seconds'])
            epochs = min(120, int(0.9 * spare / first['training_seconds']))
            if epochs > 1 and not small:
                save(dict(train(name, Path(place, 'second'), '--epochs', str(epochs), *more), one_epoch=first))

    return run


PARTS = dict(
    infer=Part(60, model_part('infer', (1, 64, 256), ('fp32', 'tf32', 'bf16'), ('fp32', 'bf16'))),
    train=Part(70, model_part('train', (48, 144), ('fp32', 'tf32', 'bf16'), ('fp32', 'bf16'))),
    onnx=Part(30, run_onnx),
    ddp=Part(45, run_ddp),
    infer_compiled=Part(
        100, model_part('infer', (64, 1, 256), ('bf16', 'bf16+compile', 'bf16+cudagraphs'), ('fp32', 'fp32+compile'))
    ),
    train_compiled=Part(100, model_part('train', (144, 48), ('bf16', 'bf16+compile'), ('fp32', 'fp32+compile'))),
    train_cudagraphs=Part(40, model_part('train', (48,), ('bf16', 'bf16+cudagraphs'), ('fp32', 'fp32+compile'))),
    ferplus_small=Part(None, training_part('poster_var/ferplus_small')),
    ferplus=Part(None, training_part('poster_var/ferplus', *FROM_SCRATCH, amp='bfloat16')),
)


def run_part(name: str, small: bool, seconds: float, file: Path) -> dict:
    """A part in a process of its own: its ``status``, ``seconds``, ``result``, and ``error`` where it failed."""
    words = [sys.executable, __file__, '--part', name, '--seconds', f'{seconds:.0f}', '--out', str(file)]
    start = time.monotonic()
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')])))
    if small:
        env.setdefault('OMP_NUM_THREADS', '1')
    # the compilers' and the trainings' own processes end with it: all are of one session
    process = subprocess.Popen(
        [*words, *['--small'] * small],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=env,
    )
    try:
        _, error = process.communicate(timeout=seconds)
        status = 'failed' if process.returncode else 'done'
    except subprocess.TimeoutExpired:
        end(process)
        status, error = 'out of time', f'stopped after {seconds:.0f} s'
    found = dict(status=status, seconds=round(time.monotonic() - start, 1))
    if file.exists():
        found['result'] = json.loads(file.read_text(encoding='utf-8'))
    return found if status == 'done' else dict(found, error=error.strip()[-2000:])


def end(process: subprocess.Popen) -> None:
    """End all that is of the session of a process; torchrun, asked first, ends its own, which are not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=10)


def run_all(small: bool, minutes: float, names: Sequence[str], out: Path | None) -> dict:
    """The parts by name, and what they ran on; written to ``out`` after each."""
    from mmfer.structures.run_record import git_state, machine, versions
    from mmfer.utils.files import write_json

    ends = time.monotonic() + 60 * minutes
    result = dict(small=small, machine=machine(), versions=versions(), git=git_state(), parts={})
    for i, name in enumerate(names):
        left = ends - time.monotonic()
        # those without a limit share what is left
        seconds = min(
            left, PARTS[name].seconds or left / max(1, sum(PARTS[each].seconds is None for each in names[i:]))
        )
        with tempfile.TemporaryDirectory() as place:
            if seconds < 10:
                found = dict(status='not run', seconds=0.0, error='no time was left')
            else:
                found = run_part(name, small, left if small else seconds, Path(place, 'part.json'))
        result['parts'][name] = found
        print(f'{name}: {found["status"]}, {found["seconds"]:.0f} s {found.get("error", "")[-200:]}', flush=True)
        if out:
            write_json(out, result)
    return result


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, metavar='FILE.json', help='all that was measured')
    parser.add_argument('--small', action='store_true', help='try the script on a tiny network [without a GPU]')
    parser.add_argument('--minutes', type=float, default=9.5, help='for all parts [9.5]')
    parser.add_argument('--parts', nargs='+', choices=list(PARTS), default=list(PARTS), help='only these')
    parser.add_argument('--part', choices=list(PARTS), help=argparse.SUPPRESS)
    parser.add_argument('--seconds', type=float, default=60, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    import torch

    from mmfer.utils.files import write_json

    small = args.small or not torch.cuda.is_available()
    if args.part:
        PARTS[args.part].run(lambda result: write_json(args.out, result), small, args.seconds)
        return 0
    found = run_all(small, args.minutes, args.parts, args.out)
    return int(all(part['status'] != 'done' for part in found['parts'].values()))


if __name__ == '__main__':
    sys.exit(main())
