"""The finished runs of a comparison: predictions and training facts of each method and seed."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmfer.evaluation import functional
from mmfer.structures.run_record import read_finished

PREDICTIONS = 'predictions.json'
OCCLUDED = 'occluded_'  # begins the names of predictions on covered faces
VALUES = ('uncertainty', 'aleatoric', 'epistemic')
ROWS = ('pred_std', 'pred_mean', 'gt_distribution')
FACTS = ('epochs', 'iterations', 'processes', 'config_hash', 'finished', 'seconds', 'parameters', 'command')
FACTS += ('provenance', 'versions', 'git')


@dataclass
class Run:
    """What one method with one seed answered on the test images, and how it was trained.

    Legend: N images, K classes.

    Args:
        method: Name of the method.
        seed: Seed of the training; None where nothing says it.
        folder: Where its predictions lie.
        images: Path of each image as the predictions name it; None for images without one.
        labels: (N,) true labels.
        scores: (N, K) probabilities.
        classes: K names.
        uncertainty: (N,) nats; the entropy of the scores where the predictions have none.
        aleatoric: (N,) nats, of heads that have it; so is ``epistemic``.
        pred_std: (N, K) deviation of the latent logits, of heads that have it; so is ``pred_mean``.
        gt_distribution: (N, K) true distribution or votes of each image, where the data set has them.
        protocol: What was tested: data set, split, rule.
        config: Config file; ``checkpoint``: the file that was tested.
        metrics: What the test of the run measured itself.
        facts: Of the training, as far as known: those of ``FACTS``.
    """

    method: str
    seed: int | None
    folder: Path
    images: list
    labels: np.ndarray
    scores: np.ndarray
    classes: tuple[str, ...]
    uncertainty: np.ndarray | None = None
    aleatoric: np.ndarray | None = None
    epistemic: np.ndarray | None = None
    pred_std: np.ndarray | None = None
    pred_mean: np.ndarray | None = None
    gt_distribution: np.ndarray | None = None
    protocol: str = ''
    config: str = ''
    checkpoint: str = ''
    metrics: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.uncertainty is None:
            self.uncertainty = functional.entropy(self.scores)

    @property
    def deviation(self) -> np.ndarray | None:
        """(N,) mean of ``pred_std`` over the classes, as the metrics of ``mmfer.evaluation`` take it."""
        return None if self.pred_std is None else self.pred_std.mean(1)

    @property
    def name(self) -> str:
        return self.method if self.seed is None else f'{self.method}, seed {self.seed}'

    def take(self, order: np.ndarray) -> None:
        """Put the images into another order."""
        self.images = [self.images[i] for i in order]
        for name in ('labels', 'scores', *VALUES, *ROWS):
            if getattr(self, name) is not None:
                setattr(self, name, getattr(self, name)[order])

    def order_classes(self, classes: Sequence[str]) -> None:
        """Put labels, scores and the like into another order of the same classes."""
        places = [self.classes.index(name) for name in classes]
        self.labels = np.argsort(places)[self.labels]
        for name in ('scores', *ROWS):
            if getattr(self, name) is not None:
                setattr(self, name, getattr(self, name)[:, places])
        self.classes = tuple(classes)


def load_runs(dirs: Sequence[str | Path]) -> list[Run]:
    """Read every ``predictions.json`` in and below ``dirs``, with the ``finished.json`` beside it.

    A method is the folder above ``seed_<s>``, else the folder of the file itself. Its seed is that of the folder, else
    that of the training, else that of the test.

    Images are told apart by their paths without the folder that all images of the run are in, so that data may lie
    elsewhere; where only their order differs, they are put into that of the first run. So are the classes.

    Returns:
        By method and seed.

    Raises:
        FileNotFoundError: If a folder has no predictions; all of them are named.
        ValueError: If a file is broken or lacks fields (all of them are named), a method has one seed twice, or runs
            differ in classes, images, labels or true distributions.
    """
    return align_runs(read_runs(dirs))


def read_runs(dirs: Sequence[str | Path]) -> list[Run]:
    """The runs of :func:`load_runs` as they are read, which may be of different data sets, in any order."""
    files, empty = {}, []
    for folder in map(Path, [dirs] if isinstance(dirs, (str, os.PathLike)) else dirs):
        found = sorted(folder.rglob(PREDICTIONS))
        if not found:
            empty.append(f'{folder}: {"no such folder" if not folder.exists() else f"no {PREDICTIONS} in or below it"}')
        files.update((file.resolve(), file) for file in found)
    if empty or not files:
        hint = 'they are written by tools/test.py CONFIG CHECKPOINT --out DIR/METHOD/seed_S/predictions.json'
        raise FileNotFoundError('\n'.join([*(empty or ['no folders to compare']), hint]))
    runs, broken = [], []
    for file in files.values():
        try:
            runs.append(read_run(file))
        except ValueError as error:
            broken.append(str(error))
    if broken:
        more = [f'and {len(broken) - 10} more'] if len(broken) > 10 else []
        raise ValueError('\n'.join([*broken[:10], *more]))
    return runs


def align_runs(runs: Sequence[Run], to: Run | None = None) -> list[Run]:
    """Runs by method and seed, their images in the order of the first one, or of ``to``.

    Raises:
        ValueError: If a method has one seed twice, or runs differ in classes, images, labels or true distributions,
            from each other or from ``to``.
    """
    runs = sorted(runs, key=lambda run: (run.method, -1 if run.seed is None else run.seed))
    for one, other in zip(runs, runs[1:]):
        if (one.method, one.seed) == (other.method, other.seed):
            raise ValueError(
                f'{one.name} is there twice: {one.folder} and {other.folder}; leave one out, or rename its folder'
            )
    first = runs[0] if to is None else to
    for other in runs:
        if other is not first:
            _check_same(first, other)
    _share_truth(runs if to is None else [to, *runs])
    return runs


def read_run(file: str | Path) -> Run:
    """Read one ``predictions.json``, and the ``finished.json`` beside it if there is one.

    Raises:
        ValueError: If one of them is broken or lacks fields; the message names the file.
    """
    file = Path(file)
    try:
        content = json.loads(file.read_text())
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f'{file} is no whole JSON file ({error}): test this run again') from error
    try:
        finished = read_finished(file.parent) or {}
        return _run(file, content, finished)
    except ValueError as error:
        raise ValueError(str(error) if str(error).startswith(str(file.parent)) else f'{file}: {error}') from error


def _run(file: Path, content: Any, finished: Mapping) -> Run:
    if not isinstance(content, Mapping) or not {'predictions', 'classes'} <= content.keys():
        raise ValueError('expected an object with predictions and classes, as tools/test.py --out writes it')
    records, classes = content['predictions'], tuple(map(str, content['classes'] or ()))
    if not records or not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ValueError('it has no predictions')
    columns = dict(labels=_column(records, 'gt_label', (), required=True))
    columns['scores'] = _column(records, 'pred_score', (len(classes) or None,), required=True)
    size = columns['scores'].shape[1]
    classes = classes or tuple(map(str, range(size)))
    columns.update((name, _column(records, name, ())) for name in VALUES)
    columns.update((name, _column(records, name, (size,))) for name in ROWS)
    functional.top_label(columns['scores'], columns['labels'])  # refuses what is no probability or no label
    columns['labels'] = columns['labels'].astype(np.int64)
    if columns['gt_distribution'] is not None:
        functional.entropy(columns['gt_distribution'])
    folder = file.resolve().parent
    match = re.fullmatch(r'seed_(\d+)', folder.name)
    seeds = (int(match[1]) if match else None, finished.get('seed'), content.get('seed'))
    return Run(
        method=folder.parent.name if match else folder.name,
        seed=next((seed for seed in seeds if seed is not None), None),
        folder=file.parent,
        images=[record.get('img_path') for record in records],
        classes=classes,
        protocol=str(content.get('protocol') or ''),
        config=str(content.get('config') or ''),
        checkpoint=str(content.get('checkpoint') or ''),
        metrics=content.get('metrics') or {},
        facts={k: source[k] for source in (content, finished) for k in FACTS if source.get(k) is not None},
        **columns,
    )


def _column(records: Sequence[dict], name: str, shape: tuple, required: bool = False) -> np.ndarray | None:
    """One field of all predictions; None where none has it."""
    lacking = [i for i, record in enumerate(records) if record.get(name) is None]
    if len(lacking) == len(records) and not required:
        return None
    if lacking:
        raise ValueError(
            f'{len(lacking)} of {len(records)} predictions have no {name} (first: number {lacking[0]}, '
            f'{records[lacking[0]].get("img_path")})'
        )
    try:
        array = np.array([record[name] for record in records], np.float64)
    except (TypeError, ValueError):
        raise ValueError(f'{name} is not made of numbers, as many for each image') from None
    if array.ndim != 1 + len(shape) or any(want not in (None, got) for want, got in zip(shape, array.shape[1:])):
        want = f'({", ".join("K" if size is None else str(size) for size in shape)})' if shape else 'one number'
        raise ValueError(f'{name} has shape {array.shape[1:]} for each image, expected {want}')
    bad = ~np.isfinite(array).reshape(len(array), -1).all(1)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise ValueError(f'{name} is not finite in {bad.sum()} predictions (first: {records[first].get("img_path")})')
    return array


def _names(run: Run) -> list:
    if not all(isinstance(image, str) for image in run.images):
        return run.images
    paths = [image.replace('\\', '/') for image in run.images]
    start = len(os.path.commonprefix([path.rpartition('/')[0] + '/' for path in paths]).rpartition('/')[0])
    return [path[start:].lstrip('/') for path in paths]


def _check_same(first: Run, other: Run) -> None:
    where = f'{first.folder} and {other.folder}'
    if sorted(first.classes) == sorted(other.classes):
        other.order_classes(first.classes)
    else:
        raise ValueError(
            f'{where} have other classes: {", ".join(first.classes)}; and {", ".join(other.classes)}. Test both on '
            'one data set'
        )
    names, others = _names(first), _names(other)
    if names != others and len(set(names)) == len(names) and len(others) == len(names) and set(others) == set(names):
        place = {name: i for i, name in enumerate(others)}
        other.take(np.array([place[name] for name in names]))
        others = names
    if names != others:
        at = next((i for i, (a, b) in enumerate(zip(names, others)) if a != b), min(len(names), len(others)))
        a, b = (run.images[at] if at < len(run.images) else 'none' for run in (first, other))
        raise ValueError(
            f'{where} were tested on other images: {len(names)} and {len(others)}, of which number {at} is the first '
            f'that differs: {a} and {b}. Test both on one data set'
        )
    different = first.labels != other.labels
    if different.any():
        at = int(np.flatnonzero(different)[0])
        a, b = (run.classes[run.labels[at]] for run in (first, other))
        raise ValueError(
            f'{where} have other labels for {different.sum()} images, the first of them {first.images[at]} (number '
            f'{at}): {a} and {b}. Test both on one data set'
        )


def _share_truth(runs: Sequence[Run]) -> None:
    """True distributions belong to the images: runs that did not write them get those of the others."""
    first = next((run for run in runs if run.gt_distribution is not None), None)
    for run in runs if first is not None else ():
        if run.gt_distribution is not None:
            different = ~np.isclose(first.gt_distribution, run.gt_distribution, rtol=1e-4, atol=1e-6).all(1)
            if different.any():
                at = int(np.flatnonzero(different)[0])
                a, b = (each.gt_distribution[at].round(4).tolist() for each in (first, run))
                raise ValueError(
                    f'{first.folder} and {run.folder} have other true distributions for {different.sum()} images, the '
                    f'first of them {run.images[at]} (number {at}): {a} and {b}. Test both on one data set'
                )
        run.gt_distribution = first.gt_distribution


def methods_of(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Method -> its runs, both in the order given."""
    methods: dict[str, list[Run]] = {}
    for run in runs:
        methods.setdefault(run.method, []).append(run)
    return methods


def observer_accuracy(run: Run) -> float:
    """Accuracy (%) of an observer who answers with the most likely class of the true distribution; NaN without one.

    Votes of people, as in FER+, are no true distribution: the label is their majority itself.
    """
    simulated = 'observer_accuracy' in run.metrics or 'SynthFER' in run.protocol
    if run.gt_distribution is None or not simulated:
        return math.nan
    return 100 * float((run.gt_distribution.argmax(1) == run.labels).mean())
