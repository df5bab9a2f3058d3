"""Folders of raw and of prepared data: the files that authors hand out, and a folder that is written whole or not."""

from __future__ import annotations

import lzma
import re
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mmfer.utils.image_files import walk

ARCHIVE = re.compile(r'\.(zip|tar|tgz|tbz2|txz|tar\.(gz|bz2|xz))$', re.IGNORECASE)
_DAMAGE = (shutil.ReadError, zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError)


class RawFile(NamedTuple):
    """A file of the raw data.

    Attributes:
        path: Below RAW_DIR; an archive counts as a folder: 'Image/aligned.zip/aligned/train_00001.jpg'.
        file: Where it lies on disk.
        unpacked: It comes from an archive, and may be moved.
    """

    path: str
    file: Path
    unpacked: bool

    @property
    def key(self) -> str:
        """The path with the archives' endings removed, as the patterns of the layouts see it."""
        return '/'.join(ARCHIVE.sub('', part) for part in self.path.split('/'))


def raw_files(root: Path, unpacked: Path) -> list[RawFile]:
    """Every file of RAW_DIR that is not hidden, those on disk before those of archives.

    Archives within archives are unpacked once; ``root`` is only read.

    Args:
        root: A folder, or one archive or other file alone.
        unpacked: New folder for what is in the archives.

    Raises:
        FileNotFoundError: There is no ``root``.
        ValueError: An archive is damaged or encrypted, or a tar file has members that lead out of it.
    """
    if not root.exists():
        raise FileNotFoundError(f'RAW_DIR not found: {root}')
    found = _below(root, '', 0, unpacked) if root.is_dir() else _expand(root, root.name, 0, unpacked)
    return sorted(found, key=lambda file: file.unpacked)


def _below(root: Path, prefix: str, depth: int, unpacked: Path) -> Iterator[RawFile]:
    for folder, names in walk(root):
        for path in (Path(folder, name) for name in names):
            if path.is_file():
                yield from _expand(path, prefix + path.relative_to(root).as_posix(), depth, unpacked)


def _expand(path: Path, name: str, depth: int, unpacked: Path) -> Iterator[RawFile]:
    """The file itself or, of an archive, the files in it."""
    if depth == 2 or not ARCHIVE.search(name):
        yield RawFile(name, path, depth > 0)
        return
    unpacked.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=unpacked))
    try:
        if name.lower().endswith('.zip'):  # members that lead out of it are skipped
            shutil.unpack_archive(path, folder, 'zip')
        elif hasattr(tarfile, 'data_filter'):
            shutil.unpack_archive(path, folder, 'tar', filter='data')
        else:
            raise RuntimeError('this version of Python does not keep tar files within their folder')
    except (*_DAMAGE, RuntimeError, NotImplementedError) as error:  # the last two: passwords, unknown methods
        raise ValueError(
            f'{name} cannot be unpacked ({error or type(error).__name__}). If it is damaged or incomplete, download it '
            'again; else extract it yourself (unzip, tar, 7z), and give the folder as RAW_DIR'
        ) from None
    yield from _below(folder, f'{name}/', depth + 1, unpacked)


def check_folders(raw: Path, out: Path) -> None:
    """Raise an error where OUT_DIR is not new or empty, or lies in RAW_DIR."""
    real_raw, real_out = raw.resolve(), out.resolve()
    if real_out == real_raw or real_raw in real_out.parents:
        raise ValueError(f'OUT_DIR {out} lies in RAW_DIR {raw}, which is never written to: name a folder elsewhere')
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f'OUT_DIR {out} is a file: name a folder')
    if out.exists() and any(out.iterdir()):
        raise ValueError(f'OUT_DIR {out} has files ({next(out.iterdir()).name}): name a new folder, or empty this one')


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Give a folder beside ``out`` to be filled, which :func:`put_in_place` then makes ``out``; else nothing is left.

    Raises:
        FileExistsError: Another run fills it.
    """
    part = out.resolve().with_name(f'.{out.name}.preparing')
    try:
        part.mkdir(parents=True)
    except FileExistsError:
        raise FileExistsError(
            f'{part} is there: another run prepares {out}, or one was killed. Wait for it, or remove that folder'
        ) from None
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def put_in_place(part: Path, out: Path) -> None:
    """Make what was filled the folder ``out``, which is new or empty."""
    out = out.resolve()
    if out.exists():
        out.rmdir()
    part.rename(out)


def write(path: Path, content: bytes) -> None:
    """Write a file; the folders above it are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def in_threads(function: Callable, items: Iterable, workers: int) -> Iterator:
    """Yield ``function(item)`` for each of ``items`` in their order; the first error ends it."""
    if workers < 1:
        raise ValueError(f'workers={workers} must be at least 1')
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield from pool.map(function, items)
        finally:
            pool.shutdown(cancel_futures=True)
