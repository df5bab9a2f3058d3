#!/usr/bin/env python
"""How time and memory grow with the work: a curve over four sizes for each part, and its exponent.

    python benchmarks/cost.py train --out cost.json

train, test: images of one epoch and of one test, the tiny POSTER-Var. report: test images of 20 methods with 5 seeds,
from the predictions to the report. verify: images of `mmfer data verify --no-changed`; copies: with the search for
changed copies, of which a tenth is the test. bootstrap: test images of `mmfer compare --by`, two methods, four groups.

Everything is generated in a temporary folder, and files are written as runs write them. Each size runs in a process of
its own, one after another, one thread; what is generated and imported before does not count. Results of the parts that
were not asked for stay in the file. Linux only.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault('OMP_NUM_THREADS', '1')

import cv2
import numpy as np
import torch
from machine import PeakMemory
from mmengine.config import Config
from scipy.optimize import nnls

from mmfer.apis import evaluate, load_config, train
from mmfer.datasets import CSVDataset, ImageResize, LoadImageFromFile, PackInputs
from mmfer.datasets.verify import verify
from mmfer.evaluation import PredictionDump
from mmfer.experiments import load_table, write_report
from mmfer.experiments.groups import compare_by
from mmfer.structures.run_record import git_state, machine, versions
from mmfer.utils.files import write_json
from mmfer.utils.tables import render_table

CLASSES = ('neutral', 'happiness', 'sadness', 'surprise', 'fear', 'disgust', 'anger')
METHODS, SEEDS, SIDE = 20, 5, 48


class Part(NamedTuple):
    """What is measured: the sizes, and the one that is asked for, what ``prepare(folder, sizes)`` writes before, and
    ``work(folder, size)``."""

    sizes: tuple[int, ...]
    wanted: int
    prepare: Callable[[Path, Sequence[int]], None]
    work: Callable[[Path, int], object]


# ---- what is generated -----------------------------------------------------------------------------------------------
def write_images(folder: Path, sizes: Sequence[int]) -> None:
    """As many smooth random faces as the largest size, and a list of the first n for each; a tenth is the test."""
    rng = np.random.default_rng(0)
    (folder / 'images').mkdir()
    rows = []
    for i in range(max(sizes)):
        name = f'images/{i:07d}.jpg'
        pixels = cv2.resize(rng.integers(0, 256, (8, 8), np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        (folder / name).write_bytes(cv2.imencode('.jpg', pixels)[1].tobytes())
        rows.append((name, CLASSES[i % len(CLASSES)], 'test' if i % 10 == 9 else 'train'))
    for size in sizes:
        with open(folder / f'{size}.csv', 'w', encoding='utf-8', newline='') as file:
            csv.writer(file).writerows([('path', 'label', 'split'), *rows[:size]])


def csv_data(folder: Path, size: int) -> dict:
    """Settings of the data set of the first images."""
    lists = dict(type=CSVDataset, data_root=str(folder), ann_file=f'{size}.csv', classes=CLASSES)
    return dict(lists, allow_empty_classes=True)  # the test of few images


def image_config(folder: Path, size: int) -> Config:
    """configs/poster_var/synth.py on these images: all for training and for the test of :func:`evaluate`."""
    config = load_config('poster_var/synth')
    steps = [dict(type=LoadImageFromFile), dict(type=ImageResize, size=(40, 40)), dict(type=PackInputs)]
    data = dict(csv_data(folder, size), pipeline=steps)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.dataset = dict(data)
    config.train_dataloader.drop_last = False
    config.train_cfg.update(max_epochs=1, val_interval=2)
    config.param_scheduler = None  # a cycle takes more steps than a few images give
    return config


def write_checkpoint(folder: Path, sizes: Sequence[int]) -> None:
    write_images(folder, [128, *sizes])
    measured(lambda: run_training(folder, 128))


def write_predictions(folder: Path, sizes: Sequence[int]) -> None:
    """Predictions of all methods and seeds at each size; every fifth method has files of its own, links to which the
    next four have."""
    for size in sizes:
        labels = np.random.default_rng(0).integers(0, len(CLASSES), size)
        for method in range(METHODS):
            for seed in range(SEEDS):
                file = folder / f'{size}/method_{method:02d}/seed_{seed}/predictions.json'
                file.parent.mkdir(parents=True)
                if method % 5:
                    os.link(folder / f'{size}/method_{method - 1:02d}/seed_{seed}/predictions.json', file)
                    continue
                header = dict(config='x.py', checkpoint='epoch_1.pth', seed=seed, metrics={}, protocol='made up')
                write_run(file, predictions(labels, 100 * method + seed), **header)


def predictions(labels: np.ndarray, seed: int) -> list[dict]:
    """Records as the test of a head with a Gaussian latent gives them, right in about two of three images."""
    rng = np.random.default_rng(1 + seed)
    shape = len(labels), len(CLASSES)
    mean, deviation = rng.normal(size=shape) + 2.5 * np.eye(shape[1])[labels], 0.2 + 0.3 * rng.random(shape)
    scores = np.exp(mean) / np.exp(mean).sum(1, keepdims=True)
    entropy = -(scores * np.log(scores)).sum(1)
    columns = dict(
        img_path=[f'data/faces/test/{i:07d}.jpg' for i in range(len(labels))],
        gt_label=labels.tolist(),
        pred_label=scores.argmax(1).tolist(),
        pred_score=scores.tolist(),
        pred_mean=mean.tolist(),
        pred_std=deviation.tolist(),
        uncertainty=entropy.tolist(),
        aleatoric=(0.8 * entropy).tolist(),
        epistemic=(0.2 * entropy).tolist(),
        group=rng.choice(['a', 'b', 'c', 'd'], len(labels)).tolist(),
    )
    return [dict(zip(columns, values)) for values in zip(*columns.values())]


def write_two_methods(folder: Path, sizes: Sequence[int]) -> None:
    for size in sizes:
        labels = np.random.default_rng(0).integers(0, len(CLASSES), size)
        for method in range(2):
            write_run(
                folder / f'{size}/method_{method}/seed_0/predictions.json', predictions(labels, method), metrics={}
            )


def write_run(file: Path, records: list[dict], **header: object) -> None:
    dump = PredictionDump()
    dump.dataset_meta, dump.predictions = dict(classes=CLASSES), records
    dump.write(file, **header)


# ---- what is measured ------------------------------------------------------------------------------------------------
def run_training(folder: Path, size: int) -> None:
    train(image_config(folder, size), work_dir=folder / f'train_{size}')


def run_test(folder: Path, size: int) -> None:
    out = folder / f'test_{size}/predictions.json'
    evaluate(image_config(folder, size), folder / 'train_128/epoch_1.pth', out, work_dir=out.parent)


def run_verify(folder: Path, size: int, changed: bool = False) -> None:
    data = csv_data(folder, size)
    loaders = {f'{split}_dataloader': dict(dataset=dict(data, split=split)) for split in ('train', 'test')}
    verify(Config(loaders), workers=1, changed=changed)


def run_report(folder: Path, size: int) -> None:
    write_report(load_table([folder / str(size)]), folder / f'report_{size}')


def run_bootstrap(folder: Path, size: int) -> None:
    compare_by(next(iter(load_table([folder / str(size)]).values())), ['group'], 0.95)


PARTS = dict(
    train=Part((150, 300, 600, 1200), 300_000, write_images, run_training),
    test=Part((500, 1000, 2000, 4000), 100_000, write_checkpoint, run_test),
    report=Part((1200, 2400, 4800, 9600), 100_000, write_predictions, run_report),
    verify=Part((500, 1500, 4500, 13_500), 300_000, write_images, run_verify),
    copies=Part(
        (1000, 2000, 4000, 8000), 300_000, write_images, lambda folder, size: run_verify(folder, size, changed=True)
    ),
    bootstrap=Part((2000, 4000, 8000, 16_000), 100_000, write_two_methods, run_bootstrap),
)


def measured(work: Callable[[], object]) -> dict[str, float]:
    """Run ``work`` in a process of its own: seconds of CPU and of the clock, and the peak of memory above the start."""
    receiver, sender = multiprocessing.get_context('fork').Pipe(duplex=False)

    def run() -> None:
        with open(os.devnull, 'w', encoding='utf-8') as nowhere:
            os.dup2(nowhere.fileno(), 1)  # logs of trainings, which runs keep in their files
        memory, times, start = PeakMemory(torch.device('cpu')), os.times(), time.perf_counter()
        work()
        seconds, ended = time.perf_counter() - start, os.times()
        cpu = sum(ended[:4]) - sum(times[:4])
        sender.send(dict(cpu_s=round(cpu, 3), s=round(seconds, 3), mb=round(memory.mb() or 0.0, 1)))

    process = multiprocessing.get_context('fork').Process(target=run)
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        raise RuntimeError('a part failed: its error stands above') from None
    finally:
        process.join()


def fit(sizes: Sequence[int], values: Sequence[float]) -> tuple[float, Callable[[float], float]]:
    """p of c + a n^p with c and a from 0, by least squares of the relative errors, and this function of n.

    Of powers that fit as well, it is the lowest: what does not grow has one near 0.

    >>> power, value = fit([1, 2, 4, 8], [3 + n**1.5 for n in (1, 2, 4, 8)])
    >>> round(power, 2), round(value(16))
    (1.5, 67)
    """
    n, v = np.asarray(sizes, float) / max(sizes), np.maximum(np.asarray(values, float), 1e-9)
    tried = []
    for power in np.arange(0.02, 3.001, 0.01):
        (constant, slope), error = nnls(np.stack([1 / v, n**power / v], 1), np.ones(len(n)))
        tried.append((error, power, constant, slope))
    most = 1.05 * min(tried)[0] + 0.002
    _, power, constant, slope = next(each for each in tried if each[0] <= most)
    return float(power), lambda size: float(constant + slope * (size / max(sizes)) ** power)


def measure(name: str, sizes: Sequence[int] | None = None) -> dict:
    """A part at its sizes: the values of :func:`measured` at each, and the exponents of time and memory."""
    part = PARTS[name]
    sizes = sorted(sizes or part.sizes)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        measured(lambda: part.prepare(folder, sizes))
        rows = [dict(size=size, **measured(lambda size=size: part.work(folder, size))) for size in sizes]
    return dict(
        rows=rows,
        **summary(rows, part.wanted),
        git=git_state(),
        versions=versions(),
        machine=machine(),
        load=os.getloadavg()[0],
    )


def summary(rows: Sequence[dict], wanted: int) -> dict:
    """The exponents of a part, and its seconds of CPU at the size that is asked for."""
    curves = {key: fit([row['size'] for row in rows], [row[key] for row in rows]) for key in ('cpu_s', 'mb')}
    exponents = {key: round(power, 2) for key, (power, _) in curves.items()}
    return dict(exponent=exponents, wanted=dict(size=wanted, cpu_s=round(curves['cpu_s'][1](wanted), 1)))


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('parts', nargs='+', choices=list(PARTS), help='what to measure')
    parser.add_argument('--sizes', type=int, nargs='+', metavar='N', help='other sizes, four or more')
    parser.add_argument('--out', type=Path, metavar='FILE.json', help='file of the results of all parts')
    args = parser.parse_args()
    if args.sizes and (len(set(args.sizes)) < 4 or min(args.sizes) < 20):
        parser.error('--sizes: a curve takes four sizes or more, from 20 images on')
    return args


def main() -> int:
    args = parse_args()
    known = json.loads(args.out.read_text(encoding='utf-8')) if args.out and args.out.exists() else {}
    for name in args.parts:
        known[name] = found = measure(name, args.sizes)
        if args.out:
            write_json(args.out, known)
        rows = [(row['size'], f'{row["cpu_s"]:.2f}', f'{row["s"]:.2f}', f'{row["mb"]:.0f}') for row in found['rows']]
        print(render_table((name, 's of CPU', 's', 'peak MB'), rows))
        power, wanted = found['exponent'], found['wanted']
        print(f'exponents: time {power["cpu_s"]:.2f}, memory {power["mb"]:.2f}')
        print(f'{wanted["size"]:,} images by this curve: {wanted["cpu_s"]:.0f} s of CPU\n', flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
