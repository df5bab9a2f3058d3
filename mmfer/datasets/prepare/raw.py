"""What the authors of a data set hand out: one list of the files in a folder and in the archives in it."""

from __future__ import annotations

import lzma
import os
import re
import stat
import struct
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from mmfer.datasets.base_fer_dataset import first_names
from mmfer.utils.image_files import walk

ARCHIVE = re.compile(r'\.(zip|tar|tgz|tbz2|txz|tar\.(gz|bz2|xz))$', re.IGNORECASE)
FOREIGN = re.compile(r'(\.(7z|rar)(\.\d+)?|\.z\d\d|\.zip\.\d+)$', re.IGNORECASE)  # others have to extract these
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, UnicodeDecodeError)


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
        """The path with the archives' endings removed, as the patterns of the recipes see it."""
        return '/'.join(ARCHIVE.sub('', part) for part in self.path.split('/'))


class RawData:
    """The files of RAW_DIR, which is only read.

    Args:
        root: A folder, or one archive or other file alone.
        unpacked: New folder for what is in the archives.

    Attributes:
        files: Every :class:`RawFile` that is not hidden, those on disk first. Archives in archives are unpacked once.
        folders: Real paths of all folders that were walked.

    Raises:
        FileNotFoundError: There is no ``root``.
        ValueError: An archive is damaged, encrypted, or has links, or names that lead out of it.
    """

    def __init__(self, root: Path, unpacked: Path) -> None:
        if not root.exists():
            raise FileNotFoundError(f'RAW_DIR not found: {root}')
        self.root, self._unpacked = root, unpacked
        self.files: list[RawFile] = []
        self.folders: set[str] = set()
        if root.is_dir():
            self._add_folder(root, '', 0)
        else:
            self._add(root, root.name, 0)
        self.files.sort(key=lambda file: file.unpacked)

    def _add_folder(self, root: Path, prefix: str, depth: int) -> None:
        for folder, names in walk(root):
            self.folders.add(os.path.realpath(folder))
            for path in (Path(folder, name) for name in names):
                if path.is_file():
                    self._add(path, prefix + path.relative_to(root).as_posix(), depth)

    def _add(self, path: Path, name: str, depth: int) -> None:
        if depth == 2 or not ARCHIVE.search(name):
            self.files.append(RawFile(name, path, depth > 0))
            return
        self._unpacked.mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self._unpacked))
        _unpack(path, name, folder)
        if depth:
            path.unlink()
        self._add_folder(folder, f'{name}/', depth + 1)


def _unpack(path: Path, name: str, folder: Path) -> None:
    """Unpack an archive that is not trusted: links, devices, and names that lead out of it are refused."""
    print(f'Unpacking {name}', file=sys.stderr)
    try:
        if name.lower().endswith('.zip'):
            with zipfile.ZipFile(path) as archive:
                for info in archive.infolist():
                    info.filename = info.filename.replace('\\', '/')
                _check_names(name, [(i.filename, stat.S_ISLNK(i.external_attr >> 16)) for i in archive.infolist()])
                for info in archive.infolist():
                    archive.extract(info, folder)
        else:
            with tarfile.open(path) as archive:
                _check_names(name, [(info.name, not (info.isreg() or info.isdir())) for info in archive])
                archive.extractall(folder, **(dict(filter='data') if hasattr(tarfile, 'data_filter') else {}))
    except (NotImplementedError, RuntimeError) as error:  # unknown methods; passwords
        raise ValueError(
            f'{name} cannot be unpacked by Python ({error}): extract it first (unzip, 7z), and give the extracted '
            'folder as RAW_DIR'
        ) from None
    except (*_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk, not the archive
            raise
        reason = f'{type(error).__name__}: {error}'.splitlines()[0].rstrip(':')
        raise ValueError(f'{name} is damaged or incomplete ({reason}): download it again') from None


def _check_names(archive: str, members: Iterable[tuple[str, bool]]) -> None:
    unsafe = [name for name, odd in members if odd or re.match('/|[A-Za-z]:', name) or '..' in name.split('/')]
    if unsafe:
        raise ValueError(
            f'{archive} is refused: {len(unsafe)} of its members are links or devices, or lead out of it: '
            f'{first_names(unsafe)}. Get it from its official page, or extract it, look at it, and give the folder'
        )
