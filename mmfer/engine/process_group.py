"""The end of distributed processes."""

from __future__ import annotations

import atexit
import time
from collections.abc import Iterator
from contextlib import contextmanager

from torch import distributed

_failed = False


def leave_group_at_exit() -> None:
    """Have the process group left before the interpreter ends.

    A thread of gloo that still releases its last work when the interpreter is gone aborts a process that has done all
    it should ("terminate called without an active exception").
    """
    atexit.unregister(_leave)
    atexit.register(_leave)


def _leave() -> None:
    if distributed.is_initialized() and not _failed:
        time.sleep(0.2)  # lets that thread have the interpreter; wrapped models keep it alive beyond the next line
        distributed.destroy_process_group()


@contextmanager
def orderly() -> Iterator[None]:
    """After an error in the block the group is not left: another process may be waiting in it, and that could hang."""
    global _failed
    try:
        yield
    except (Exception, KeyboardInterrupt):
        _failed = True
        raise
