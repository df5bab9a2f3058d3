"""Divides the files of a corpus into shards, and finds the shards with which a process begins."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmfer.inference.sources import folder_files, is_video
from mmfer.utils.files import write_json, write_text
from mmfer.utils.folder_lock import sole_run

LISTS = ('.txt', '.lst')  # files that name others, one a line
VIDEO_WEIGHT = 16 * 1024  # bytes of a video that are as much work as a photo: about a frame
_LAUNCHERS = (
    ('RANK', 'WORLD_SIZE'),  # torchrun
    ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE'),  # mpirun of Open MPI
    ('PMI_RANK', 'PMI_SIZE'),  # that of MPICH and Intel
)


@dataclass(frozen=True)
class Shard:
    """Files whose results are written together.

    Attributes:
        number: From 0.
        files: The paths, as they were given.
    """

    number: int
    files: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of its file in the folder of the corpus."""
        return f'part-{self.number:05d}.parquet'


def list_files(inputs: Iterable[str], out: Path) -> Iterator[str]:
    """The files that ``inputs`` name, each once: files, folders, and lists (.txt) of both with a path a line.

    A folder stands for all files in it except hidden ones and those below ``out``.

    Raises:
        FileNotFoundError: If an input is not there; files of a list may be missing.
        ValueError: If a folder or a list is empty.
    """
    seen: set[str] = set()
    own = os.path.join(os.path.realpath(out), '')
    for name in inputs:
        if not os.path.exists(name):
            raise FileNotFoundError(f'no such file or folder: {name}')
        count = 0
        for file in _files(name):
            key = os.path.normpath(file)
            count += 1
            if key not in seen and not os.path.realpath(key).startswith(own):
                seen.add(key)
                yield file
        if not count:
            raise ValueError(f'{name} names no files')


def _files(name: str) -> Iterator[str]:
    if os.path.isdir(name):
        for file in folder_files(Path(name)):
            yield str(file) if isinstance(file, Path) else file.name  # a folder that cannot be read, which results say
    elif name.lower().endswith(LISTS):
        with open(name, encoding='utf-8', errors='surrogateescape') as lines:
            for line in filter(None, (line.rstrip('\r\n') for line in lines)):
                yield from _files(line) if os.path.isdir(line) else [line]
    else:
        yield name


def divide(files: Iterable[str], size: int) -> Iterator[list[str]]:
    """Shards of up to ``size`` photos, or of videos that are as much work by their bytes; a long one is alone."""
    shard: list[str] = []
    weight = 0
    for file in files:
        own = 1
        if is_video(file):
            with suppress(OSError):  # which results will say
                own += os.stat(file).st_size // VIDEO_WEIGHT
        if shard and weight + own > size:
            yield shard
            shard, weight = [], 0
        shard.append(file)
        weight += own
    if shard:
        yield shard


def open_plan(out: Path, files: Iterable[str], settings: Mapping[str, Any], size: int, resume: bool) -> list[Shard]:
    """The shards of a corpus: those of earlier runs, and new ones for new files.

    Args:
        out: Folder of the corpus, made if it is not there.
        files: All that are wanted now.
        settings: What the results depend on, which JSON can hold.
        size: Photos a shard.
        resume: Whether there may be a plan.

    Raises:
        ValueError: If ``out`` was begun with other settings, holds something else, or ``resume`` forbids to go on.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f'{out} is a file. Name a folder for the shards.')
    files = list(files)
    out.mkdir(parents=True, exist_ok=True)
    with sole_run(out / '_locks/plan.lock', wait=True):
        head, plan = out / '_corpus.json', out / '_plan.jsonl'
        remove_parts(head)
        remove_parts(plan)
        if not head.is_file():
            others = [path.name for path in out.iterdir() if path.name != '_locks']
            if others:
                raise ValueError(f'{out} holds {others[0]} and is no corpus of mmfer. Name another folder.')
            write_json(head, settings)
        elif not resume:
            raise ValueError(f'{out} was begun before, and --no-resume forbids to go on. Name another folder.')
        _compare(out, json.loads(head.read_text(encoding='utf-8')), json.loads(json.dumps(settings)))
        lines = plan.read_text(encoding='utf-8').splitlines() if plan.is_file() else []
        shards = [tuple(json.loads(line)) for line in lines]
        known = {os.path.normpath(file) for shard in shards for file in shard}
        fresh = list(divide((file for file in files if os.path.normpath(file) not in known), size))
        if fresh:
            write_text(plan, ''.join(f'{line}\n' for line in (*lines, *map(json.dumps, fresh))))
    return [Shard(number, tuple(shard)) for number, shard in enumerate((*shards, *fresh))]


def remove_parts(path: Path) -> None:
    """Remove the temporary files of killed processes for a file whose lock is held."""
    for part in path.parent.glob(f'.{path.name}.*.part'):
        part.unlink(missing_ok=True)


def _compare(out: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            raise ValueError(
                f'{out} was begun with {name}={before.get(name)!r}, now it is {now.get(name)!r}. Start as before, or '
                'name another folder.'
            )


def find_part(environ: Mapping[str, str]) -> tuple[int, int] | None:
    """Number of this process, from 0, and how many there are, by the launcher that started it; None without one.

    Known are torchrun, mpirun, srun, arrays of Slurm, and indexed jobs of Kubernetes where ``WORLD_SIZE`` is set, too.

    >>> find_part({'SLURM_PROCID': '1', 'SLURM_NTASKS': '4'}), find_part({})
    ((1, 4), None)

    Raises:
        ValueError: If the numbers are none, or one is missing.
    """
    try:
        for rank, size in _LAUNCHERS:
            if rank in environ:
                return check_part(int(environ[rank]), int(environ[size]))
        if 'JOB_COMPLETION_INDEX' in environ:
            return check_part(int(environ['JOB_COMPLETION_INDEX']), int(environ['WORLD_SIZE']))
        part, parts = int(environ.get('SLURM_PROCID', 0)), int(environ.get('SLURM_NTASKS', 1))
        if 'SLURM_ARRAY_TASK_ID' in environ:
            first, count = int(environ['SLURM_ARRAY_TASK_MIN']), int(environ['SLURM_ARRAY_TASK_COUNT'])
            part, parts = part + parts * ((int(environ['SLURM_ARRAY_TASK_ID']) - first) % count), parts * count
        return check_part(part, parts) if parts > 1 else None
    except KeyError as error:
        raise ValueError(f'the launcher does not say {error.args[0]}. Set it, or name the part: --part 0/8') from None
    except ValueError as error:
        raise ValueError(f'the launcher numbers its processes wrongly ({error}). Name the part: --part 0/8') from None


def check_part(part: int, parts: int) -> tuple[int, int]:
    """The two numbers.

    Raises:
        ValueError: If there is no such part.
    """
    if not 0 <= part < parts:
        raise ValueError(f'part {part} of {parts}: parts are counted from 0')
    return part, parts
