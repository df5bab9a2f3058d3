"""Where mmfer keeps files so as not to make or fetch them again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """The folder of such files: that of the environment variable ``MMFER_CACHE``, else ``~/.cache/mmfer``."""
    chosen = os.environ.get('MMFER_CACHE')
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'mmfer'
