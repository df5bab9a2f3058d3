"""Keeping a folder to one run, on one host and on several that share a disk."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None

BEAT = 5.0  # seconds after which the holder of a lock touches its file again
WATCHED = 6  # of these without a touch, and it is dead
_HELD: set[int] = set()


def _drop() -> None:
    for handle in _HELD:
        os.close(handle)
    _HELD.clear()


if hasattr(os, 'register_at_fork'):  # data loading workers outlive a killed run by seconds, and would keep its lock
    os.register_at_fork(after_in_child=_drop)


@contextmanager
def sole_run(path: str | Path, say: Callable[[str], object]) -> Iterator[tuple[int, ...]]:
    """Keep the folder of ``path`` to this run until the block ends: others that name the same file are refused.

    The file tells host, process and time. The system drops the lock when its holder ends, however it ends. Not all
    network disks show it to other hosts: the file of another one is watched, since its holder touches it.

    Args:
        path: The file that stands for the lock, such as ``WORK_DIR/training.lock``.
        say: Told in a line when the lock of a dead run is taken over.

    Yields:
        Open files: processes that inherit them keep the lock, too.

    Raises:
        ValueError: If another run holds the lock.
    """
    path, here = Path(path), socket.gethostname()
    handle, is_real = open_locked(path, wait=False)
    holder = _holder(path)
    words = 'a process that has just begun'
    if holder:
        words = f'process {holder["process"]} on {holder["host"]} (since {holder["since"]})'
    is_far = handle is not None and holder != {} and not (is_real and holder['host'] == here)
    ended, owned = threading.Event(), False
    try:
        if handle is None or (is_far and _is_touched(path)):
            raise ValueError(
                f'{path.parent} is in use: {path.name} is held by {words}, or by what it started. Wait for it or end '
                f'it, or choose another folder (--work-dir); if it is gone, delete {path}'
            )
        owned = True
        if holder:
            say(f'{path} is taken over from {words}, which ended without removing it')
        own = dict(host=here, process=os.getpid(), since=datetime.now().isoformat(' ', 'seconds'))
        os.ftruncate(handle, 0)
        os.write(handle, json.dumps(own).encode())
        threading.Thread(target=_touch, args=(path, ended), daemon=True).start()
        yield (handle,) if fcntl else ()
    finally:
        ended.set()
        if owned:
            release(path, handle)
        elif handle is not None:
            _close(handle)


def open_locked(path: Path, wait: bool) -> tuple[int | None, bool]:
    """Open ``path`` and lock it; :func:`release` removes it.

    Returns:
        The open file, or None if another process has it and ``wait`` is off; and whether the system has locks there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle, is_real = os.open(path, os.O_RDWR | os.O_CREAT, 0o644), True
        _HELD.add(handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _close(handle)
            return None, True
        except (OSError, AttributeError):  # a file system or a system without locks
            is_real = False
        except BaseException:
            _close(handle)
            raise
        if _is_at(path, handle):
            return handle, is_real
        _close(handle)  # the one before is done and has removed it


def release(path: Path, handle: int) -> None:
    """Remove and unlock what :func:`open_locked` opened."""
    if _is_at(path, handle):
        with suppress(OSError):
            path.unlink()  # still locked: those who wait for it notice that it is gone
    _close(handle)


def _close(handle: int) -> None:
    _HELD.discard(handle)
    os.close(handle)


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


def _holder(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        return {key: content[key] for key in ('host', 'process', 'since')}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _touch(path: Path, ended: threading.Event) -> None:
    while not ended.wait(BEAT):
        with suppress(OSError):
            os.utime(path)


def _is_touched(path: Path) -> bool:
    before = _stamp(path)
    for _ in range(WATCHED):
        time.sleep(BEAT)
        if _stamp(path) != before:
            return True
    return False


def _stamp(path: Path) -> int:
    with open(path, 'rb') as file:  # opening asks the server of a network disk
        return os.fstat(file.fileno()).st_mtime_ns
