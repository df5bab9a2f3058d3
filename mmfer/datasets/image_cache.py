"""Decoded images of a data set in one file, which all processes that use it share: on disk, or in shared memory.

The file is made by the first process that wants it, under a temporary name; the others wait. Its name follows from all
that the images depend on (see :func:`cache_name`), and its end from its content, so neither old nor cut off files are
taken for what they are not. Layout: the images' bytes, one after another; a table, int64 (N, 4), of where each image
ends and its height, width and channels; the mark of the format, N, and a digest of the table.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
import struct
import tempfile
import time
import weakref
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from mmfer.utils.cache import cache_dir, sole_builder
from mmfer.utils.files import replace_synced
from mmfer.utils.progress import track

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None

MEMORY = Path('/dev/shm')
"""Where files are memory; temporary files elsewhere stay in the system's cache as long as there is room."""
MODES = ('memory', 'disk')
_MARK = b'mmfer images 1\0\0'
_END = struct.Struct('<16sq16s')
_READING = 2  # another number where files are read to other pixels than before
_SHARE = 0.9  # of what is free that a cache may take
_STEP = 1 << 26  # bytes after which the room is looked at again
_DEAD = dict(memory=5, disk=3600)  # seconds after which an unfinished file that nobody has locked is a left-over


class DoesNotFitError(OSError):
    """There is not enough room for the decoded images."""


def cache_folder(mode: str) -> Path:
    """Where files of a mode are kept."""
    if mode == 'disk':
        return cache_dir() / 'images'
    user = os.getuid() if hasattr(os, 'getuid') else 'user'
    return (MEMORY if MEMORY.is_dir() else Path(tempfile.gettempdir())) / f'mmfer-{user}'


def cache_name(paths: Sequence[str], settings: Hashable) -> str:
    """The name of the file for these images: it follows from paths, sizes, times of change, settings and the reader.

    Raises:
        FileNotFoundError: An image does not exist.
    """
    digest = hashlib.blake2b(repr((settings, cv2.__version__, _READING)).encode(), digest_size=16)
    for path in paths:
        found = os.stat(path)
        text = f'{os.path.abspath(path)}\0{found.st_size}\0{found.st_mtime_ns}\n'
        digest.update(text.encode('utf-8', 'surrogateescape'))
    return f'{digest.hexdigest()}.images'


class ImageCache:
    """Images of a file made by :func:`build_cache`, mapped into memory; a process it is sent to opens it itself.

    Args:
        path: The file.
        num: Number of images that it must have.
        temporary: Remove the file when the last process that has it open ends or drops it.

    Raises:
        OSError: The file cannot be opened.
        ValueError: It is not such a file, or not all of one.
    """

    def __init__(self, path: str | Path, num: int, temporary: bool = False) -> None:
        self.path, self.num, self.temporary = Path(path), num, temporary
        handle = os.open(path, os.O_RDONLY)
        try:
            size = os.fstat(handle).st_size
            if size < _END.size:
                raise ValueError(f'{path} is cut off')
            content = mmap.mmap(handle, size, access=mmap.ACCESS_READ)
            _lock(handle, 'LOCK_SH')  # before it is known to be whole: nobody may take it for a left-over
            self._bytes = np.frombuffer(content, np.uint8)
            self._table = self._read_table(size)
        except BaseException:
            os.close(handle)
            raise
        self._ends = self._table[:, 0]
        release = weakref.finalize(self, _release, handle, self.path if temporary else None, os.getpid())
        release.atexit = temporary

    def _read_table(self, size: int) -> np.ndarray:
        mark, num, digest = _END.unpack(self._bytes[-_END.size :].tobytes())
        start = size - _END.size - 32 * num
        if mark != _MARK or num != self.num or start < 0:
            raise ValueError(f'{self.path} is cut off, or no file of {self.num} images')
        raw = self._bytes[start : size - _END.size]
        if _digest(raw) != digest:
            raise ValueError(f'{self.path} is damaged')
        table = np.frombuffer(raw.tobytes(), np.int64).reshape(num, 4)
        if num and table[-1, 0] != start:
            raise ValueError(f'{self.path} is cut off')
        return table

    def __len__(self) -> int:
        return self.num

    def __getitem__(self, row: int) -> np.ndarray:
        """Image ``row``: a copy, uint8 (H, W, 3) BGR, or of a grey one a view that cannot be written to, (H, W)."""
        end, height, width, channels = self._table[row].tolist()
        img = self._bytes[end - height * width * channels : end]
        return img.reshape(height, width) if channels == 1 else img.reshape(height, width, channels).copy()

    @property
    def nbytes(self) -> int:
        """Size of the file in bytes."""
        return self._bytes.size

    def __reduce__(self) -> tuple:
        return ImageCache, (self.path, self.num, self.temporary)

    def __deepcopy__(self, memo: dict) -> ImageCache:
        return self


def open_cache(
    paths: Sequence[str], decode: Callable[[int], np.ndarray], settings: Hashable, mode: str, description: str
) -> ImageCache:
    """The decoded images of a list of files, from the file that holds them, which is made where there is none.

    Args:
        paths: The image files, N.
        decode: ``decode(i)`` gives image i, uint8 (H, W, 3) BGR; called by several threads.
        settings: What the images depend on besides their files; its ``repr`` counts.
        mode: 'disk' keeps the file in the folder of ``mmfer.utils.cache``; 'memory' keeps it in shared memory, for as
            long as a process of this machine uses it.
        description: What is shown while it is made.

    Raises:
        DoesNotFitError: There is no room for it.
        OSError: It cannot be written, or an image does not exist.
        ValueError: Images cannot be decoded; the message names the first of them and tells how many they are.
    """
    path = cache_folder(mode) / cache_name(paths, settings)
    _own_folder(path.parent, mode)
    temporary = mode == 'memory'
    found = _opened(path, len(paths), temporary)
    if found is None:
        with sole_builder(path):
            found = _opened(path, len(paths), temporary)  # another process made it while this one waited
            if found is None:
                _remove_left_overs(path.parent, mode)
                found = _build(path, len(paths), decode, temporary, description)
    return found


def _opened(path: Path, num: int, temporary: bool) -> ImageCache | None:
    try:
        return ImageCache(path, num, temporary)
    except (OSError, ValueError):  # not there, or no whole one
        return None


def _build(path: Path, num: int, decode: Callable[[int], np.ndarray], temporary: bool, description: str) -> ImageCache:
    part = path.with_name(f'.{path.name}.{os.getpid()}.part')
    table = np.zeros((num, 4), np.int64)
    done = checked = 0
    try:
        with open(part, 'wb') as file:
            _lock(file.fileno(), 'LOCK_SH')
            for i, img in enumerate(track(_decoded(num, decode), num, description)):
                done += img.size
                table[i] = (done, *img.shape[:2], 1 if img.ndim == 2 else img.shape[2])
                file.write(img)
                if done - checked >= _STEP:
                    checked = done
                    _check_room(done, done * num // (i + 1), path.parent, temporary)
            raw = table.view(np.uint8).reshape(-1)
            file.write(raw)
            file.write(_END.pack(_MARK, num, _digest(raw)))
            file.flush()
            (os.replace if temporary else replace_synced)(part, path)
            return ImageCache(path, num, temporary)  # while the lock of the open file keeps it from being removed
    finally:
        part.unlink(missing_ok=True)


def _decoded(num: int, decode: Callable[[int], np.ndarray]) -> Iterator[np.ndarray]:
    """The images in their order, grey ones as (H, W); decoding leaves Python, so that threads share the work."""

    def attempt(i: int) -> np.ndarray | str:
        try:
            img = decode(i)
        except (OSError, ValueError) as error:
            return str(error)
        grey = np.array_equal(img[..., 0], img[..., 1]) and np.array_equal(img[..., 0], img[..., 2])
        return np.ascontiguousarray(img[..., 0] if grey else img)

    threads = min(16, len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1)
    bad: list = []
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, num, 16 * threads):
            for img in pool.map(attempt, range(start, min(start + 16 * threads, num))):
                if isinstance(img, str):
                    bad.append(img)
                if not bad:
                    yield img
    if bad:
        more = f', and {len(bad) - 3} more' if len(bad) > 3 else ''
        raise ValueError(f'{len(bad)} of {num} images cannot be decoded: {"; ".join(bad[:3])}{more}')


# ---- room ----------------------------------------------------------------------------------------------------------
def _check_room(done: int, total: int, folder: Path, temporary: bool) -> None:
    free = _free(folder, temporary)
    if total - done > _SHARE * free:
        kind = 'memory' if temporary else 'disk space'
        raise DoesNotFitError(
            f'the decoded images take about {total / 1e9:.2f} GB of {kind}, and {(free + done) / 1e9:.2f} GB are free '
            f'in {folder}'
        )


def _free(folder: Path, temporary: bool) -> int:
    """Bytes that can still be written to a folder; of shared memory, no more than the machine or container has left."""
    found = os.statvfs(folder) if hasattr(os, 'statvfs') else None
    free = [found.f_bavail * found.f_frsize] if found else []
    return min([*free, *(_memory_left() if temporary else [])], default=1 << 62)


def _memory_left() -> list[int]:
    left = []
    for line in _lines('/proc/meminfo'):
        if line.startswith('MemAvailable:'):
            left.append(int(line.split()[1]) * 1024)
    limit = ''.join(_lines('/sys/fs/cgroup/memory.max')).strip()
    if limit.isdecimal():
        used = int(''.join(_lines('/sys/fs/cgroup/memory.current')) or 0)
        cached = [int(line.split()[1]) for line in _lines('/sys/fs/cgroup/memory.stat') if 'inactive_file' in line]
        left.append(max(0, int(limit) - used + sum(cached)))
    return left


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:  # another system
        return []


# ---- files in use, and left over -----------------------------------------------------------------------------------
def _digest(raw: np.ndarray) -> bytes:
    return hashlib.blake2b(raw, digest_size=16).digest()


def _lock(handle: int, kind: str) -> bool:
    """Take a lock without waiting; False where others hold one that excludes it, or there are no locks."""
    try:
        fcntl.flock(handle, getattr(fcntl, kind) | fcntl.LOCK_NB)
    except (OSError, AttributeError):
        return False
    return True


def _release(handle: int, path: Path | None, process: int) -> None:
    """Close a file; remove it if it is a temporary one that no other process has open."""
    if path is not None and os.getpid() == process and _lock(handle, 'LOCK_EX'):  # a fork has the lock of its parent
        _unlink(path, handle)
    os.close(handle)


def _unlink(path: Path, handle: int) -> None:
    try:
        if os.stat(path).st_ino == os.fstat(handle).st_ino:
            path.unlink()
    except OSError:  # gone already
        pass


def _remove_left_overs(folder: Path, mode: str) -> None:
    """Remove what killed processes left behind: unfinished files and, in shared memory, all that nobody uses."""
    for path in folder.iterdir():
        if path.suffix != '.part' and (mode == 'disk' or path.suffix == '.lock'):
            continue
        try:
            handle = os.open(path, os.O_RDONLY)
        except OSError:
            continue
        fresh = path.suffix == '.part' and time.time() - os.fstat(handle).st_mtime < _DEAD[mode]
        if not fresh and _lock(handle, 'LOCK_EX'):
            _unlink(path, handle)
        os.close(handle)


def _own_folder(folder: Path, mode: str) -> None:
    folder.mkdir(mode=0o777 if mode == 'disk' else 0o700, parents=True, exist_ok=True)
    if mode == 'memory' and hasattr(os, 'getuid'):
        found = os.lstat(folder)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise OSError(f'{folder} is not a folder of this user: remove it')
