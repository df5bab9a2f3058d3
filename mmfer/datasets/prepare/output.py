"""Writing OUT_DIR: each file whole or not at all, never through a link, and what is finished stays finished."""

import errno
import itertools
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

from mmfer.datasets.base_fer_dataset import first_names
from mmfer.datasets.folder_dataset import is_hidden
from mmfer.utils.files import replace_synced

from .raw import Source

STATE = '.prepare.json'
PARTS = '.prepare_parts'
_CHUNK = 1 << 20
_BLOCK = 4096  # bytes that the smallest file takes on common file systems


def check_folders(raw: Path, out: Path) -> None:
    """Raise ValueError where OUT_DIR is no folder, or writing to it could reach RAW_DIR."""
    real_raw, real_out = raw.resolve(), out.resolve()
    folder = real_raw.parent if real_raw.is_file() else real_raw
    if real_out == real_raw or (real_raw.is_dir() and real_raw in real_out.parents):
        raise ValueError(f'OUT_DIR {out} lies in RAW_DIR {raw}, which is never written to: name a folder elsewhere')
    if real_out == folder or real_out in folder.parents:
        raise ValueError(f'OUT_DIR {out} holds RAW_DIR {raw}: name a folder beside it, such as {out / "prepared"}')
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f'OUT_DIR {out} is a file: name a folder')


def free_space(path: Path) -> int:
    """Free bytes of the file system on which ``path`` is or will be."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def human(size: float) -> str:
    """Bytes as text, such as '1.5 GB'."""
    if size < 1000:
        return f'{size:.0f} bytes'
    units = ['TB', 'GB', 'MB', 'kB']
    while units:
        size, unit = size / 1000, units.pop()
        if size < 1000:
            break
    return f'{size:.1f} {unit}'


def size_on_disk(size: int) -> int:
    """Bytes that a file of ``size`` takes, in whole blocks."""
    return -(-size // _BLOCK) * _BLOCK


class Output:
    """The folder that is prepared.

    A hidden file in it, ``.prepare.json``, tells from what it was made: a run that was stopped is continued only with
    the same data set, options and raw files. Unfinished files lie in a hidden folder, which is cleared when a run
    begins and removed when it ends. Finished ones are renamed into place, so they are complete unless the machine
    itself went down; sizes, or the end of image files, tell that.

    Args:
        root (Path): OUT_DIR.
        made_from (Mapping): What the content depends on, as JSON types: data set, layout, options, raw files.
    """

    def __init__(self, root: Path, made_from: Mapping):
        self.root = root
        self.made_from = json.loads(json.dumps(made_from))
        self._number = itertools.count()
        self._real: dict = {}  # folder -> whether no link lies on the way to it
        self._lock: Optional[int] = None
        self._new = False

    # ---- beginning and end ----------------------------------------------------------------------------------------
    def check(self) -> None:
        """Raise ValueError where the folder holds other files, or was prepared from something else."""
        if not self.root.exists():
            return
        state = self.root / STATE
        if not state.is_file():
            found = sorted(entry.name for entry in self.root.iterdir() if not is_hidden(entry.name))
            if found:
                raise ValueError(
                    f'OUT_DIR {self.root} has files that were not prepared by this tool: {first_names(found)}. Name a '
                    'new folder, or empty this one'
                )
            return
        try:
            before = json.loads(state.read_text(encoding='utf-8'))
        except ValueError:
            before = {}
        changed = [
            f'{key}: {before.get(key)} then, {value} now'
            for key, value in self.made_from.items()
            if key != 'files' and before.get(key) != value
        ]
        files = before.get('files', {})
        differing = [path for path, stamp in self.made_from.get('files', {}).items() if files.get(path, stamp) != stamp]
        changed += [f'changed raw files: {first_names(differing)}'] if differing else []
        if changed:
            raise ValueError(
                f'OUT_DIR {self.root} was prepared from something else ({"; ".join(changed)}). Name a new folder, or '
                f'remove this one first'
            )

    def __enter__(self) -> 'Output':
        self._new = not self.root.exists()
        self.root.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self.root)
        shutil.rmtree(self.root / PARTS, ignore_errors=True)
        (self.root / PARTS).mkdir()
        self.write(STATE, [json.dumps(self.made_from, indent=1).encode()], synced=True)
        return self

    def __exit__(self, *error) -> None:
        shutil.rmtree(self.root / PARTS, ignore_errors=True)
        if os.listdir(self.root) == [STATE]:  # stopped before the first file was finished
            (self.root / STATE).unlink()
            if self._new:
                self.root.rmdir()
        if self._lock is not None:
            os.close(self._lock)

    # ---- what is there --------------------------------------------------------------------------------------------
    def _is_real(self, folder: str) -> bool:
        if folder not in self._real:
            path = self.root / folder
            above = os.path.dirname(folder)
            self._real[folder] = folder == '' or (self._is_real(above) and path.is_dir() and not path.is_symlink())
        return self._real[folder]

    def has_copy(self, target: str, source: Source) -> bool:
        """Whether ``target`` is a finished copy of ``source``: of its size, and unless it is a member, of its time."""
        path = self.root / target
        if not self._is_real(os.path.dirname(target)) or path.is_symlink() or not path.is_file():
            return False
        found = path.stat()
        if found.st_size != source.size:
            return False
        return source.file is None or abs(found.st_mtime - source.file.stat().st_mtime) < 2  # FAT counts by 2 s

    def has_link(self, target: str, to: Path) -> bool:
        """Whether ``target`` is a link to ``to``."""
        path = self.root / target
        real = self._is_real(os.path.dirname(target))
        return real and path.is_symlink() and os.readlink(path) == str(to.absolute())

    def has_image(self, target: str) -> bool:
        """Whether ``target`` is a finished PNG or JPEG file: one that has its end."""
        path = self.root / target
        if not self._is_real(os.path.dirname(target)) or path.is_symlink() or not path.is_file():
            return False
        end = b'IEND\xaeB`\x82' if target.endswith('.png') else b'\xff\xd9'
        with open(path, 'rb') as file:
            file.seek(-min(len(end), os.fstat(file.fileno()).st_size), os.SEEK_END)
            return file.read() == end

    # ---- writing --------------------------------------------------------------------------------------------------
    def _place(self, target: str) -> Path:
        """The path of ``target``, its folders made; links on the way (to raw folders) give way to folders."""
        folder = os.path.dirname(target)
        if not self._real.get(folder):
            path = self.root
            for part in folder.split('/') if folder else ():
                path = path / part
                if path.is_symlink():
                    path.unlink()
                path.mkdir(exist_ok=True)
            self._real = {key: real for key, real in self._real.items() if real}
            self._real[folder] = True
        return self.root / target

    @contextmanager
    def _part(self, target: str):
        part = self.root / PARTS / str(next(self._number))
        place = self._place(target)
        try:
            yield part, place
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise OSError(
                f'the disk of {self.root} is full ({target}): free some space and run the same command again, which '
                'goes on from here'
            ) from None
        finally:
            if part.is_symlink() or part.exists():
                part.unlink()

    def write(self, target: str, chunks: Iterable, synced: bool = False, times: Optional[tuple] = None) -> None:
        """Write a file.

        Args:
            target (str): Path below OUT_DIR.
            chunks (Iterable[bytes]): The content.
            synced (bool): Wait until it is on the disk, too slow for each of many images. Defaults to False.
            times (tuple, optional): Access and modification time in ns. Defaults to None: now.
        """
        with self._part(target) as (part, place):
            with open(part, 'xb') as file:
                for chunk in chunks:
                    file.write(chunk)
            if times is not None:
                os.utime(part, ns=times)
            if synced:
                replace_synced(part, place)
            else:
                os.replace(part, place)

    def bring(self, target: str, source: Source) -> None:
        """Write a copy of ``source``.

        Raises:
            ValueError: It is damaged: unreadable, or longer or shorter than its archive says.
        """
        times = None
        if source.file is not None:
            found = source.file.stat()
            times = found.st_atime_ns, found.st_mtime_ns
        self.write(target, _whole(source), times=times)

    def link(self, target: str, to: Path) -> None:
        """Make ``target`` a symbolic link to the absolute path of ``to``."""
        with self._part(target) as (part, place):
            try:
                os.symlink(to.absolute(), part)
            except OSError as error:
                raise OSError(f'cannot make links in {self.root} ({error}): add --copy') from None
            os.replace(part, place)

    def unpacked(self, source: Source) -> Path:
        """A path at which ``source`` can be read until the run ends: its own, or that of a temporary copy."""
        if source.file is not None:
            return source.file
        folder = self.root / PARTS / f'unpacked{next(self._number)}'
        folder.mkdir()
        path = folder / source.path.split('/')[-1]
        with open(path, 'wb') as file:
            for chunk in _whole(source):
                file.write(chunk)
        return path


def _whole(source: Source) -> Iterable:
    done = 0
    with source.open() as file:
        while chunk := file.read(_CHUNK):
            done += len(chunk)
            yield chunk
    if done != source.size:
        raise ValueError(f'{source.path}: {done} bytes instead of {source.size}: damaged, or changed while it was read')


def _lock(root: Path) -> Optional[int]:
    """Keep other runs out of ``root``; the system drops the lock when the process ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        return None
    handle = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise ValueError(f'OUT_DIR {root} is being prepared by another run: wait for it, or stop it') from None
    except OSError:  # a file system without locks
        pass
    return handle
