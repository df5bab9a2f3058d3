"""The table of a comparison: predictions and training facts of each method and seed under each condition."""

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
from mmfer.structures.run_record import MARKER, read_finished

from .conditions import PREDICTIONS, Condition, condition_of_file, training_condition

VALUES = ('uncertainty', 'aleatoric', 'epistemic')
ROWS = ('pred_std', 'pred_mean', 'gt_distribution')
FACTS = ('epochs', 'iterations', 'processes', 'config_hash', 'finished', 'seconds', 'parameters', 'versions', 'git')


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
        columns: Name -> (N,) text of each image, None where it has none: what the images may be grouped by.
        facts: Of the training, as far as known: those of ``FACTS``.
        finished: Content of the ``finished.json`` beside it; None without.
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
    columns: Mapping[str, list] = field(default_factory=dict, repr=False)
    facts: Mapping[str, Any] = field(default_factory=dict)
    finished: Mapping[str, Any] | None = field(default=None, repr=False)

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
        self.columns = {name: [texts[i] for i in order] for name, texts in self.columns.items()}
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


def load_table(dirs: Sequence[str | Path], methods: Sequence[str] | None = None) -> dict[Condition, list[Run]]:
    """Read every ``predictions.json`` in and below ``dirs``, and the tests under other conditions beside them.

    A method is the folder above ``seed_<s>``, else the folder of the file itself. Its seed is that of the folder, else
    that of the training, else that of the test. The label noise of a training is read from its ``finished.json``.

    Images are told apart by their paths without the folder that all images of the run are in, so that data may lie
    elsewhere; where only their order differs, they are put into that of the first run. So are the classes.

    Args:
        dirs: Folders of comparisons, of methods or of runs.
        methods: Only these.

    Returns:
        Condition -> runs by method and seed. The first condition is the one that the others are compared with, that of
        the least label noise; tests under other conditions are those of its runs.

    Raises:
        FileNotFoundError: If a folder has no predictions; all of them are named.
        ValueError: If a file is broken or lacks fields, a method has one seed twice under a condition, or runs differ
            in classes, images, labels or true distributions.
    """
    table = _by_noise(_chosen(read_runs(dirs), methods))
    baseline, runs = next(iter(table.items()))
    tests: dict[Condition, list[Run]] = {}
    for run in runs:
        for file in sorted(run.folder.glob('*.json')):
            condition = condition_of_file(file.name)
            if condition is not None:
                tests.setdefault(condition, []).append(_read_beside(file, run))
    table.update((condition, tests[condition]) for condition in sorted(tests, key=lambda each: each.order))
    table[baseline] = runs = align_runs(runs)
    for condition in list(table)[1:]:
        try:
            table[condition] = align_runs(table[condition], None if condition.kind == 'ood' else runs[0])
        except ValueError as error:
            raise ValueError(f'{condition.name}: {error}') from error
    return table


def _chosen(runs: list[Run], methods: Sequence[str] | None) -> list[Run]:
    known = dict.fromkeys(run.method for run in runs)
    unknown = [name for name in methods or () if name not in known]
    if unknown:
        raise ValueError(f'no runs of {", ".join(unknown)}; there are: {", ".join(known)}')
    return [run for run in runs if not methods or run.method in methods]


def _by_noise(runs: Sequence[Run]) -> dict[Condition, list[Run]]:
    groups: dict[Condition, list[Run]] = {}
    for run in runs:
        groups.setdefault(training_condition((run.finished or {}).get('settings', {})), []).append(run)
    unknown = [run.name for run in runs if run.finished is None]
    if unknown and len(groups) > 1:
        raise ValueError(f'the label noise of {", ".join(unknown)} is unknown: no {MARKER} beside the predictions')
    return {condition: groups[condition] for condition in sorted(groups, key=lambda each: each.order)}


def _read_beside(file: Path, run: Run) -> Run:
    other = read_run(file)
    if Path(other.checkpoint).name != Path(run.checkpoint).name:
        raise ValueError(f'{file} is of {other.checkpoint}, the test beside it of {run.checkpoint}: test again')
    return other


def read_runs(dirs: Sequence[str | Path]) -> list[Run]:
    """The runs in and below ``dirs`` as they are read, which may be of different data sets, in any order."""
    dirs = [Path(folder) for folder in ([dirs] if isinstance(dirs, (str, os.PathLike)) else dirs)]
    found = {folder: sorted(folder.rglob(PREDICTIONS)) for folder in dirs}
    empty = [str(folder) for folder, files in found.items() if not files]
    if empty or not dirs:
        raise FileNotFoundError(
            f'no {PREDICTIONS} in or below {", ".join(empty) or "no folders"}: it is written by '
            'mmfer test CONFIG CHECKPOINT --out DIR/METHOD/seed_S/predictions.json'
        )
    files = {file.resolve(): file for folder in dirs for file in found[folder]}
    texts: dict[str, str] = {}  # the names of the images, of which many runs have the same
    return [read_run(file, texts) for file in files.values()]


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
            _match(first, other)
    _share_truth(runs if to is None else [to, *runs])
    return runs


def name_of(folder: Path) -> tuple[str, int | None]:
    """Method and seed by the name of a run's folder; None where that does not say the seed."""
    folder = Path(folder).resolve()
    match = re.fullmatch(r'seed_(\d+)', folder.name)
    return (folder.parent.name, int(match[1])) if match else (folder.name, None)


def read_run(file: str | Path, texts: dict[str, str] | None = None) -> Run:
    """Read the predictions of one test, and the ``finished.json`` beside them if there is one.

    Args:
        file: The predictions.
        texts: Texts of runs that were read before, which are kept once for all of them; filled.

    Raises:
        ValueError: If one of them is broken or lacks fields; the message names the file.
    """
    file = Path(file)
    finished = read_finished(file.parent)
    try:
        return _run(file, json.loads(file.read_text()), finished, {} if texts is None else texts)
    except (ValueError, UnicodeDecodeError) as error:
        broken = 'no whole JSON file: ' if isinstance(error, json.JSONDecodeError) else ''
        raise ValueError(f'{file}: {broken}{error}. Test this run again') from error


def _run(file: Path, content: Any, finished: Mapping | None, texts: dict[str, str]) -> Run:
    if not isinstance(content, Mapping) or not {'predictions', 'classes'} <= content.keys():
        raise ValueError('expected an object with predictions and classes, as mmfer test --out writes it')
    records, classes = content['predictions'], tuple(map(str, content['classes'] or ()))
    if not records or not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ValueError('it has no predictions')
    columns = dict(labels=_column(records, 'gt_label', (), required=True))
    columns['scores'] = _column(records, 'pred_score', (len(classes) or None,), required=True)
    size = columns['scores'].shape[1]
    columns.update((name, _column(records, name, ())) for name in VALUES)
    columns.update((name, _column(records, name, (size,))) for name in ROWS)
    functional.top_label(columns['scores'], columns['labels'])  # refuses what is no probability or no label
    columns['labels'] = columns['labels'].astype(np.int64)
    if columns['gt_distribution'] is not None:
        functional.entropy(columns['gt_distribution'])
    method, seed = name_of(file.parent)
    known = finished or {}
    return Run(
        method=method,
        seed=next((s for s in (seed, known.get('seed'), content.get('seed')) if s is not None), None),
        folder=file.parent,
        images=_shared(records, 'img_path', texts),
        classes=classes or tuple(map(str, range(size))),
        protocol=str(content.get('protocol') or ''),
        config=str(content.get('config') or ''),
        checkpoint=str(content.get('checkpoint') or ''),
        metrics=content.get('metrics') or {},
        columns=_texts(records, texts),
        facts={k: source[k] for source in (content, known) for k in FACTS if source.get(k) is not None},
        finished=finished,
        **columns,
    )


def _texts(records: Sequence[dict], texts: dict[str, str]) -> dict[str, list]:
    """Columns of text, such as what the images may be grouped by."""
    names = dict.fromkeys(name for record in records for name, value in record.items() if isinstance(value, str))
    return {name: _shared(records, name, texts) for name in names if name != 'img_path'}


def _shared(records: Sequence[dict], name: str, texts: dict[str, str]) -> list:
    values = [record.get(name) for record in records]
    return [texts.setdefault(value, value) if isinstance(value, str) else value for value in values]


def _column(records: Sequence[dict], name: str, shape: tuple, required: bool = False) -> np.ndarray | None:
    """One field of all predictions; None where none has it."""
    lacking = [i for i, record in enumerate(records) if record.get(name) is None]
    if len(lacking) == len(records) and not required:
        return None
    if lacking:
        where = f'number {lacking[0]}, {records[lacking[0]].get("img_path")}'
        raise ValueError(f'{len(lacking)} of {len(records)} predictions have no {name} (first: {where})')
    try:
        array = np.array([record[name] for record in records], np.float64)
    except (TypeError, ValueError):
        raise ValueError(f'{name} is not made of numbers, as many for each image') from None
    if array.ndim != 1 + len(shape) or any(want not in (None, got) for want, got in zip(shape, array.shape[1:])):
        want = f'{shape[0] or "K"} numbers' if shape else 'one number'
        raise ValueError(f'{name} has shape {array.shape[1:]} for each image, expected {want}')
    bad = np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(1))
    if len(bad):
        raise ValueError(f'{name} is not finite in {len(bad)} predictions (first: {records[bad[0]].get("img_path")})')
    return array


def _names(run: Run) -> list:
    if not all(isinstance(image, str) for image in run.images):
        return run.images
    paths = [image.replace('\\', '/') for image in run.images]
    start = len(os.path.commonprefix([path.rpartition('/')[0] + '/' for path in paths]).rpartition('/')[0])
    return [path[start:].lstrip('/') for path in paths]


def _match(first: Run, other: Run) -> None:
    """Put classes and images of ``other`` into the order of ``first``."""

    def refuse(what: str) -> None:
        raise ValueError(f'{first.folder} and {other.folder} {what}. Test both on one data set')

    if sorted(first.classes) != sorted(other.classes):
        refuse(f'have other classes: {", ".join(first.classes)}; and {", ".join(other.classes)}')
    other.order_classes(first.classes)
    names, others = _names(first), _names(other)
    if names != others and len(set(names)) == len(names) and sorted(names) == sorted(others):
        place = {name: i for i, name in enumerate(others)}
        other.take(np.array([place[name] for name in names]))
        others = names
    if names != others:
        at = next((i for i, (a, b) in enumerate(zip(names, others)) if a != b), min(len(names), len(others)))
        a, b = (run.images[at] if at < len(run.images) else 'none' for run in (first, other))
        refuse(f'were tested on other images: {len(names)} and {len(others)}, first at number {at}: {a} and {b}')
    different = np.flatnonzero(first.labels != other.labels)
    if len(different):
        at = different[0]
        a, b = (run.classes[run.labels[at]] for run in (first, other))
        refuse(f'have other labels for {len(different)} images, first {first.images[at]}: {a} and {b}')


def _share_truth(runs: Sequence[Run]) -> None:
    """True distributions belong to the images: runs that did not write them get those of the others."""
    first = next((run for run in runs if run.gt_distribution is not None), None)
    for run in runs if first is not None else ():
        if run.gt_distribution is not None:
            same = np.isclose(first.gt_distribution, run.gt_distribution, rtol=1e-4, atol=1e-6).all(1)
            if not same.all():
                raise ValueError(
                    f'{first.folder} and {run.folder} have other true distributions for {(~same).sum()} images, first '
                    f'{run.images[np.argmin(same)]}. Test both on one data set'
                )
        run.gt_distribution = first.gt_distribution


def methods_of(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Method -> its runs, both in the order given."""
    methods: dict[str, list[Run]] = {}
    for run in runs:
        methods.setdefault(run.method, []).append(run)
    return methods


def observer_accuracy(run: Run) -> float:
    """Bayes-optimal accuracy (%), of the most likely class of the true distribution; NaN without one.

    Votes, as in FER+ or a few of SynthFER's, are no true distribution: the label is their majority itself.
    """
    if run.gt_distribution is None or 'SynthFER' not in run.protocol or 'votes a face' in run.protocol:
        return run.metrics.get('observer_accuracy', math.nan)
    return 100 * float((run.gt_distribution.argmax(1) == run.labels).mean())
