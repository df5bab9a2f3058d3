"""A worker process: it predicts free shards, one after the other, until none is left."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2

from mmfer.inference.videos import silence_opencv
from mmfer.inference.writers import open_writer
from mmfer.structures.results import ImageResult
from mmfer.utils.folder_lock import InUseError, sole_run

from .plan import Shard, remove_parts


@dataclass(frozen=True)
class Job:
    """The task of a worker.

    Attributes:
        inferencer: An ``ExpressionInferencer``.
        out: Folder of the corpus.
        shards: In the order in which they are taken.
        own: Numbers of those that are this worker's where the file system has no locks.
        stride: Every so many frames of videos.
        threads: Of OpenCV.
        suspects: Numbers of shards in which workers ended: their files are looked at one by one, to find out which.
        avoid: Files that ended workers, and how.
    """

    inferencer: Any
    out: Path
    shards: Sequence[Shard]
    own: frozenset[int]
    stride: int = 1
    threads: int = 1
    suspects: frozenset[int] = frozenset()
    avoid: Mapping[str, str] = field(default_factory=dict)


def work(job: Job, connection: Connection) -> None:
    """Write the shards of a job that are free; ends when the parent does.

    Sends ``('file', number of the shard, name)`` before each file, ``('done', number)`` after each shard, ``('held',
    number, holder)`` for one that another process looks at, and ``('error', None, text)`` if results cannot be written.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    cv2.setNumThreads(job.threads)
    silence_opencv()
    threading.Thread(target=_end_with_parent, args=[connection], daemon=True).start()
    try:
        for shard in job.shards:
            path = job.out / shard.name
            if path.exists():
                continue
            try:
                with sole_run(job.out / f'_locks/{shard.name}.lock') as lock:
                    if not path.exists() and (lock or shard.number in job.own):
                        if lock:
                            remove_parts(path)
                        write_shard(job, shard, path, partial(_announce, connection, shard))
                        connection.send(('done', shard.number))
            except InUseError as error:
                connection.send(('held', shard.number, error.holder))
    except OSError as error:
        connection.send(('error', None, f'{job.out}: {error.strerror or error}'))


def write_shard(job: Job, shard: Shard, path: Path, announce: Callable[[str], None]) -> None:
    """Write the results of a shard, whole or not at all."""
    is_alone = shard.number in job.suspects
    while True:
        try:
            with open_writer(path, job.inferencer.classes) as writer:
                for result in _one_by_one(job, shard, announce) if is_alone else _together(job, shard, announce):
                    writer.write(result)
            return
        except _Failed:
            is_alone = True


def _announce(connection: Connection, shard: Shard, file: str) -> None:
    connection.send(('file', shard.number, file))


class _Failed(Exception):
    """The inferencer raised an error."""


def _together(job: Job, shard: Shard, announce: Callable[[str], None]) -> Iterator[ImageResult]:
    """Faces of several files go through the model in one batch."""

    def files() -> Iterator[str]:
        for file in shard.files:
            announce(file)
            yield file

    try:
        yield from job.inferencer.stream(files(), stride=job.stride)
    except Exception as error:
        raise _Failed from error


def _one_by_one(job: Job, shard: Shard, announce: Callable[[str], None]) -> Iterator[ImageResult]:
    """One file that cannot be looked at does not end the others."""
    for file in shard.files:
        if file in job.avoid:
            yield ImageResult(file, error=f'{file}: {job.avoid[file]}')
            continue
        announce(file)
        try:
            yield from job.inferencer.stream([file], stride=job.stride)
        except Exception as error:
            text = ' '.join(f'{type(error).__name__}: {error}'.split())
            yield ImageResult(file, error=text if file in text else f'{file}: {text}')


def _end_with_parent(connection: Connection) -> None:
    try:
        connection.recv()
    except (EOFError, OSError):
        os._exit(1)
