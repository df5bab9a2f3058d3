"""Files that mmfer keeps so as not to make or fetch them again; they may be deleted at any time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .cache_dir import cache_dir
from .files import replace_synced
from .folder_lock import open_locked, release


def source_digest(folder: str | Path) -> str:
    """Digest of the Python files of a folder: what they compute is another thing once they are changed."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(Path(folder).glob('*.py')):
        digest.update(path.name.encode() + b'\0' + path.read_bytes() + b'\0')
    return digest.hexdigest()


@contextmanager
def sole_builder(path: Path) -> Iterator[None]:
    """Wait for other processes that make the same file, and keep them waiting meanwhile: look for the file inside.

    The system lets the next one in when this process ends, however it ends. Where a folder cannot be written or a
    file system has no locks, nobody waits.
    """
    lock = path.with_name(f'.{path.name}.lock')
    try:
        handle, _ = open_locked(lock, wait=True)
    except OSError:
        handle = None
    try:
        yield
    finally:
        if handle is not None:
            release(lock, handle)


def cached_array(name: str, shape: tuple[int, ...], make: Callable[[np.ndarray], None]) -> tuple[np.ndarray, str]:
    """An array of bytes that is made once and mapped into memory, which processes share, from then on.

    Processes that want it at the same time wait for the first of them.

    Args:
        name: Path below :func:`cache_dir`, ending in ``.npy``, that tells all that the content depends on.
        shape: Of the array, uint8.
        make: Fills it.

    Returns:
        np.ndarray: The array, read-only where it comes from the file.
        str: '' or, where it could not be kept, why.
    """
    path = cache_dir() / name
    found = _read(path, shape)
    if found is not None:
        return found, ''
    with sole_builder(path):
        found = _read(path, shape)
        return (found, '') if found is not None else _make(path, shape, make)


def _make(path: Path, shape: tuple[int, ...], make: Callable[[np.ndarray], None]) -> tuple[np.ndarray, str]:
    array = np.empty(shape, np.uint8)
    make(array)
    part = path.with_name(f'.{path.name}.{os.getpid()}.part')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, 'wb') as file:
            np.save(file, array, allow_pickle=False)
        replace_synced(part, path)
    except OSError as error:
        return array, f'{path} could not be written ({error.strerror or error})'
    finally:
        if part.is_file():
            part.unlink()
    stored = _read(path, shape)  # frees the memory
    return (array if stored is None else stored), ''


def _read(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    try:
        array = np.load(path, mmap_mode='r', allow_pickle=False)
    except (OSError, ValueError, EOFError):  # not there, or cut off
        return None
    return array if array.shape == shape and array.dtype == np.uint8 else None
