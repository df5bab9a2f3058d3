"""Files that are written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A path to write to, which takes the name ``path`` once the block is done; nothing is left of it after an error.

    >>> with whole_file('/tmp/notes.txt') as part:  # doctest: +SKIP
    ...     part.write_text('all of it')
    """
    path = Path(path)
    name = os.fsdecode(os.fsencode(path.name)[:200])  # names have at most 255 bytes
    part = path.with_name(f'.{name}.{os.getpid()}.part')
    try:
        yield part
        replace_synced(part, path)
    finally:
        part.unlink(missing_ok=True)


def sha256(path: str | Path) -> str:
    """Checksum of a file's content, as ``sha256sum`` prints it."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` in UTF-8 to ``path``, whole or not at all."""
    with whole_file(path) as part:
        part.write_text(text, encoding='utf-8')


def write_json(path: str | Path, content: Any) -> None:
    """Write ``content`` as JSON to ``path``, whole or not at all."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + '\n')


def replace_synced(part: Path, path: Path) -> None:
    """Rename ``part`` to ``path`` once its bytes are on disk: a killed run leaves no half-written file."""
    path = Path(path)
    with open(part, 'rb+') as file:
        os.fsync(file.fileno())
    os.replace(part, path)
    if os.name == 'posix':  # else a power cut may undo the renaming
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
