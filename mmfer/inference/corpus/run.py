"""Predicts many files into a folder of shards, by processes that may be killed at any time."""

from __future__ import annotations

import inspect
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from mmfer.inference.writers import SCHEMA
from mmfer.utils.files import sha256
from mmfer.utils.optional import require
from mmfer.utils.progress import track
from mmfer.utils.threads import usable_cores
from mmfer.version import __version__

from .manifest import write_manifest
from .plan import Shard, check_part, list_files, open_plan
from .worker import Job, work

SHARD = 256  # photos
DEATHS = 3  # so often processes may end in a shard, as if killed from outside, before a file of it is suspected


@dataclass(frozen=True)
class Outcome:
    """The state of a corpus.

    Attributes:
        shards: Number of shards.
        done: Number of written shards.
        states: Number of files by state: 'done', 'partly', 'failed' or 'open'; see
            :func:`mmfer.inference.corpus.manifest.write_manifest`.
        held: Name of each shard that another process works on -> that process.
    """

    shards: int
    done: int
    states: Counter
    held: dict[str, str]


def predict_corpus(
    inferencer: Any,
    inputs: Iterable[str | os.PathLike[str]],
    out: str | Path,
    jobs: int = 1,
    part: tuple[int, int] | None = None,
    stride: int = 1,
    shard: int = SHARD,
    resume: bool = True,
    threads: int | None = None,
) -> Outcome:
    """Predict many files into a folder of Parquet files, which :func:`mmfer.read_results` reads as one table.

    If it is killed and started again, it continues: a shard is written whole or not at all, no file is in two shards,
    and none is left out. Files that were added in the meantime get new shards. Several processes and machines that see
    the folder can work at the same time: each begins with its part, and then helps the others. Locks keep two of them
    from working on the same shard. A file that cannot be read has a row with its ``error``.

    Args:
        inferencer: An :class:`mmfer.ExpressionInferencer`; each process has a copy of it.
        inputs: Files, folders, and lists of them (``.txt``, one path on each line).
        out: The folder, such as ``results.parquet``.
        jobs: Number of processes.
        part: Number of this part, from 0, and number of all parts; None is all.
        stride: Use every ``stride``-th frame of videos.
        shard: Photos in a shard; videos count by their bytes.
        resume: Continue with the results in ``out``; False refuses them.
        threads: Of OpenCV in each process; None divides the cores. The inferencer sets the threads of the model.

    Raises:
        ValueError: If an argument is wrong, or ``out`` was begun with other settings.
        FileNotFoundError: If an input is not there.
        OSError: If results cannot be written, as on a full disk; those that are written stay.
        ImportError: If pyarrow is not installed.
    """
    for name, value in dict(jobs=jobs, stride=stride, shard=shard).items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f'{name}={value!r}: a whole number from 1 on')
    require('pyarrow', 'mmfer[tables]', 'Parquet files are written by pyarrow')
    out, (number, parts) = Path(out), (0, 1) if part is None else check_part(*part)
    names = [os.fspath(name) for name in inputs]
    settings = settings_of(inferencer, stride)
    settings['folder'] = None if all(map(os.path.isabs, names)) else os.getcwd()  # that relative names begin at
    shards = open_plan(out, list_files(names, out), settings, shard, resume)
    first = [each for each in shards if each.number % parts == number]
    own = frozenset(each.number for each in first)
    order = [*first, *(each for each in shards if each.number not in own)]
    job = Job(inferencer, out, order, own, stride, threads or max(1, usable_cores() // jobs))
    held: dict[int, str] = {}
    missing = _missing(out, order)
    try:
        while missing and not all(each.number in held for each in missing):
            before, held = len(missing), _run(replace(job, shards=missing), jobs)
            missing = _missing(out, missing)
            if len(missing) == before:
                break
    except KeyboardInterrupt:
        write_manifest(out, shards)
        raise
    done = len(shards) - len(_missing(out, shards))
    states = write_manifest(out, shards) if part is None or done == len(shards) else Counter()
    return Outcome(len(shards), done, states, {each.name: held[each.number] for each in missing if each.number in held})


def _missing(out: Path, shards: Sequence[Shard]) -> list[Shard]:
    return [shard for shard in shards if not (out / shard.name).exists()]


def settings_of(inferencer: Any, stride: int) -> dict[str, Any]:
    """What the results of an inferencer depend on, to be compared at the next start."""
    names = ('interval', 'threshold', 'half_life', 'tta', 'speed', 'max_pixels')
    settings = {name: getattr(inferencer, name) for name in names}
    model, crop = inferencer.classifier, inferencer._view._crop
    settings.update(model=_file(Path(model.source)), pipeline=str(model.pipeline))
    settings.update(detector=_describe(inferencer.detector), crop=f'{type(crop).__name__} {vars(crop)}')
    return dict(settings, classes=list(inferencer.classes), stride=stride, schema=SCHEMA, version=__version__)


def _file(path: Path) -> str:
    return f'{path.name} {sha256(path)[:16]}' if path.is_file() else str(path)


def _describe(detector: Any) -> str:
    """The class of a detector, and its options that are not the defaults."""
    usual = inspect.signature(type(detector).__init__).parameters
    options = {
        name: _file(value) if isinstance(value, Path) else value
        for name, value in getattr(detector, '__dict__', {}).items()
        if name in usual and isinstance(value, (str, float, int, tuple, Path)) and value != usual[name].default
    }
    return f'{type(detector).__name__} {options}' if options else type(detector).__name__


def _run(job: Job, jobs: int) -> dict[int, str]:
    """Let workers look at the shards of a job until none is left that is free; the others and who holds them."""
    team = _Team(job, min(jobs, len(job.shards)))
    try:
        for _ in track(team.finished(), len(job.shards), 'Shards'):
            pass
    finally:
        team.end()
    return team.held


class _Team:
    """Worker processes: those that die are replaced, and files that end them again and again are left out."""

    def __init__(self, job: Job, size: int) -> None:
        self.job, self.size, self.context = job, size, multiprocessing.get_context('spawn')
        self.workers: dict[Any, tuple[Any, int]] = {}  # by connection: the process, and its number among them
        self.places: dict[Any, tuple[int, str]] = {}  # shard and file that each looks at
        self.deaths: Counter = Counter()
        self.held: dict[int, str] = {}
        for seat in range(size):
            self.add(seat)

    def add(self, seat: int) -> None:
        ours, theirs = self.context.Pipe()
        job = replace(self.job, own=frozenset(sorted(self.job.own)[seat :: self.size]))
        process = self.context.Process(target=work, args=(job, theirs), daemon=True)
        process.start()
        theirs.close()
        self.workers[ours] = process, seat

    def finished(self) -> Iterator[int]:
        """The numbers of shards, as soon as they are done."""
        while self.workers:
            ready: list[Any] = wait(list(self.workers))
            for connection in ready:
                try:
                    kind, number, *more = connection.recv()
                except (EOFError, OSError):
                    process, seat = self.workers.pop(connection)
                    process.join()
                    if process.exitcode:
                        self.suspect(process.exitcode, *self.places.pop(connection, (None, None)))
                        self.add(seat)
                    continue
                if kind == 'file':
                    self.places[connection] = number, more[0]
                elif kind == 'held':
                    self.held[number] = more[0]
                elif kind == 'error':
                    raise OSError(f'{more[0]}. What is written is whole; start again to go on.')
                else:
                    self.places.pop(connection, None)
                    self.held.pop(number, None)
                    yield number

    def suspect(self, code: int, number: int | None, file: str | None) -> None:
        """Note that a worker ended while it looked at a file of a shard."""
        how = f'by {signal.Signals(-code).name}' if code < 0 else f'with the exit code {code}'
        place = (number, file) if number in self.job.suspects else number
        self.deaths[place] += 1
        if number is None and self.deaths[place] == DEATHS:
            raise ValueError(f'{DEATHS} processes ended {how} before they saw a file: is there enough memory?')
        if number is not None and self.deaths[number] == DEATHS:
            self.job = replace(self.job, suspects=self.job.suspects | {number})
        if file is not None and self.deaths[number, file] == DEATHS - 1:
            text = f'processes that look at it end {how}'
            self.job = replace(self.job, avoid={**self.job.avoid, file: text})

    def end(self) -> None:
        for process, _ in self.workers.values():
            process.terminate()
        for process, _ in self.workers.values():
            process.join()
