"""Keeping a folder to one run."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

try:
    import fcntl
except ImportError:  # on Windows, where nothing is locked
    fcntl = None

_HELD: set[int] = set()


def _drop() -> None:
    for handle in _HELD:
        os.close(handle)
    _HELD.clear()


if fcntl is not None:  # data loading workers outlive a killed run by seconds, and would keep its lock
    os.register_at_fork(after_in_child=_drop)


class InUseError(ValueError):
    """Another run holds the lock.

    Attributes:
        holder: Which process, where, since when.
    """

    def __init__(self, path: Path, holder: str) -> None:
        self.holder = holder
        super().__init__(
            f'{path.parent} is in use: {path.name} is held by {holder}. Wait for it or end it, or choose another '
            'folder (--work-dir).'
        )


@contextmanager
def sole_run(path: str | Path, wait: bool = False) -> Iterator[bool]:
    """Keep the folder of ``path`` to this run until the block ends: others that name the same file are refused.

    The lock is one of the system, which drops it when its holder ends, however it ends. Where the file system has no
    locks, nobody is refused.

    Args:
        path: The file that stands for the lock, such as ``WORK_DIR/training.lock``; it tells host, process and time.
        wait: Until the lock is free, rather than be refused.

    Yields:
        Whether the folder is locked: False where the file system has no locks.

    Raises:
        InUseError: If another run holds the lock.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield False
        return
    handle, is_locked = _lock(path, wait)
    _HELD.add(handle)
    try:
        os.ftruncate(handle, 0)
        since = datetime.now().isoformat(' ', 'seconds')
        os.write(handle, f'process {os.getpid()} on {socket.gethostname()} (since {since})'.encode())
        try:
            yield is_locked
        finally:
            with suppress(OSError):
                path.unlink()
    finally:
        _HELD.discard(handle)
        os.close(handle)


def _lock(path: Path, wait: bool) -> tuple[int, bool]:
    """The open file, and whether it is locked."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle, True
        except BlockingIOError:
            holder = os.read(handle, 1000).decode(errors='replace') or 'a process that has just begun'
            os.close(handle)
            raise InUseError(path, holder) from None
        except FileNotFoundError:
            pass
        except OSError:  # a file system without locks
            return handle, False
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # the last holder has removed this file in the meantime
