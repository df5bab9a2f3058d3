"""Files that mmfer keeps so as not to make or fetch them again; they may be deleted at any time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .cache_dir import cache_dir
from .files import whole_file


def source_digest(folder: str | Path) -> str:
    """Digest of the Python files of a folder: what they compute is another thing once they are changed."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(Path(folder).glob('*.py')):
        digest.update(path.name.encode() + b'\0' + path.read_bytes() + b'\0')
    return digest.hexdigest()


def cached_array(name: str, shape: tuple[int, ...], make: Callable[[np.ndarray], None]) -> tuple[np.ndarray, str]:
    """An array of bytes that is made once and mapped into memory, which processes share, from then on.

    Args:
        name: Path below :func:`cache_dir`, ending in ``.npy``, that tells all that the content depends on.
        shape: Of the array, uint8.
        make: Fills it.

    Returns:
        np.ndarray: The array, read-only where it comes from the file.
        str: '' or, where it could not be kept, why.
    """
    path = cache_dir() / name
    array = _read(path, shape)
    if array is not None:
        return array, ''
    array = np.empty(shape, np.uint8)
    make(array)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part, open(part, 'wb') as file:
            np.save(file, array, allow_pickle=False)
    except OSError as error:
        return array, f'{path} could not be written ({error.strerror or error})'
    stored = _read(path, shape)  # frees the memory
    return (array if stored is None else stored), ''


def _read(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    try:
        array = np.load(path, mmap_mode='r', allow_pickle=False)
    except (OSError, ValueError, EOFError):  # not there, or cut off
        return None
    return array if array.shape == shape and array.dtype == np.uint8 else None
