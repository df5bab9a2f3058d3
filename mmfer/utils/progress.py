"""Progress of long loops."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator


def track(items: Iterable, total: int, description: str, interval: float = 5.0) -> Iterator:
    """Yield ``items``, showing a rich bar on a terminal and otherwise a plain line every ``interval`` seconds."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track as rich_track

        yield from rich_track(items, description=description, total=total, console=Console(stderr=True))
        return
    start = last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last >= interval or (done == total and now - start >= interval):
            last = now
            left = (now - start) / done * (total - done)
            print(f'{description}: {done}/{total}, {left:.0f} s left', file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """
    >>> duration(3723.4)
    '1:02:03'
    """
    minutes, seconds = divmod(round(seconds), 60)
    return f'{minutes // 60}:{minutes % 60:02d}:{seconds:02d}'
