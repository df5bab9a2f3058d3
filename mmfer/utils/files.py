"""Files that are written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` in UTF-8 to ``path``, whole or not at all."""
    path = Path(path)
    part = path.with_name(f'.{path.name}.{os.getpid()}.part')
    try:
        part.write_text(text, encoding='utf-8')
        replace_synced(part, path)
    finally:
        part.unlink(missing_ok=True)


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
