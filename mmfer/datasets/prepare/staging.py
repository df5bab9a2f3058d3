"""Filling a folder that is there whole or not at all, with a few threads."""

from __future__ import annotations

import errno
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from .raw import RawFile


def check_folders(raw: Path, out: Path) -> None:
    """Raise an error where OUT_DIR is not new or empty, or writing to it could reach RAW_DIR."""
    real_raw, real_out = raw.resolve(), out.resolve()
    folder = real_raw.parent if real_raw.is_file() else real_raw
    if real_out == real_raw or (real_raw.is_dir() and real_raw in real_out.parents):
        raise ValueError(f'OUT_DIR {out} lies in RAW_DIR {raw}, which is never written to: name a folder elsewhere')
    if real_out == folder or real_out in folder.parents:
        raise ValueError(f'OUT_DIR {out} holds RAW_DIR {raw}: name a folder beside it, such as {out / "prepared"}')
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f'OUT_DIR {out} is a file: name a folder')
    if out.exists() and any(out.iterdir()):
        raise ValueError(f'OUT_DIR {out} has files ({next(out.iterdir()).name}): name a new folder, or empty this one')


def check_linked(raw: Path, out: Path, folders: Iterable[str]) -> None:
    """Raise ValueError where OUT_DIR lies in one of ``folders``, the real paths of those walked in RAW_DIR."""
    real = out.resolve()
    if not {str(real), *map(str, real.parents)}.isdisjoint(folders):
        raise ValueError(f'OUT_DIR {out} lies in a folder that RAW_DIR {raw} links to: name another one')


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Give a folder beside ``out`` to be filled, which :func:`put_in_place` then makes ``out``; else nothing is left.

    Raises:
        FileExistsError: Another run fills it.
        OSError: The disk is full.
    """
    out = out.resolve()
    part = out.with_name(f'.{out.name}.preparing')
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        part.mkdir()
    except FileExistsError:
        raise FileExistsError(
            f'{part} is there: another run prepares {out}, or one was killed. Wait for it, or remove that folder'
        ) from None
    try:
        yield part
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise OSError(
            f'the disk of {out} is full: free some space and run the command again; nothing is left'
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def put_in_place(part: Path, out: Path) -> None:
    """Make what was filled the folder ``out``, which is new or empty."""
    out = out.resolve()
    if out.exists():
        out.rmdir()
    part.rename(out)


class Job(NamedTuple):
    """What makes further files works on: raw files by their names, the folder to write to, options, and threads."""

    inputs: Mapping[str, RawFile]
    folder: Path
    options: Mapping[str, Any]
    workers: int


def write(path: Path, content: bytes) -> None:
    """Write a file; the folders above it are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def in_threads(function: Callable, items: Iterable, workers: int) -> Iterator:
    """Yield ``function(item)`` for each of ``items`` in their order; the first error ends it.

    The items are made in the calling thread, only a few ahead, so they may be read from one archive and be large.
    """
    if workers < 1:
        raise ValueError(f'workers={workers} must be at least 1')
    with ThreadPoolExecutor(workers) as pool:
        running: deque = deque()
        try:
            for item in items:
                running.append(pool.submit(function, item))
                if len(running) >= 4 * workers:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()
