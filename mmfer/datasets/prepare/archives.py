"""Reading zip and tar archives without trusting them: names are checked, and nothing is unpacked by name."""

import lzma
import posixpath
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from mmfer.datasets.base_fer_dataset import first_names
from mmfer.utils.image_files import is_hidden

SUFFIX = re.compile(r'\.(zip|tar|tgz|tbz2|txz|tar\.(gz|bz2|xz))$', re.IGNORECASE)
FOREIGN = re.compile(r'(\.(7z|rar)(\.\d+)?|\.z\d\d|\.zip\.\d+)$', re.IGNORECASE)
"""Names of archives that can be read, and of those that other programs have to extract."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,
    UnicodeDecodeError,
)


class Member(NamedTuple):
    """A file in an archive; ``obstacle`` says why it cannot be read, '' where it can."""

    name: str
    size: int
    info: Any
    obstacle: str = ''


@contextmanager
def damage_named(name: str) -> Iterator[None]:
    """Turn whatever a damaged archive makes the standard library raise into one error that names it."""
    try:
        yield
    except (*_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk, not the archive
            raise
        reason = f'{type(error).__name__}: {error}'.splitlines()[0].rstrip(':')
        raise ValueError(f'{name} is damaged or incomplete ({reason}); download it again') from None


def name_problem(name: str) -> str:
    """Why the name of an archive's member is unsafe, '' where it is not."""
    if name.startswith('/') or re.match('[A-Za-z]:', name):
        return 'absolute path'
    return "'..' in the path" if '..' in name.split('/') else ''


def resolve_link(name: str, target: str, members: dict) -> tuple:
    """Follow the link ``name`` within the archive.

    Args:
        name (str): The link.
        target (str): What it points at, relative to its own folder.
        members (dict): Names of files -> Member, of links -> their targets.

    Returns:
        tuple: The Member that it leads to (None: a folder, or nothing in the archive), and what is unsafe about it.
    """
    for _ in range(20):
        if target.startswith('/') or re.match('[A-Za-z]:', target):
            return None, 'link to an absolute path'
        name = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
        if name.split('/')[0] == '..':
            return None, 'link that leaves the folder'
        found = members.get(name)
        if not isinstance(found, str):
            return found, ''
        target = found
    return None, 'link that leads round in a circle'


class Archive:
    """A zip or tar file, opened for reading.

    Args:
        name (str): How messages call it; its ending tells the format.
        file (BinaryIO): Seekable; closed with the archive.

    Attributes:
        members (list): :class:`Member` of every regular file that is not hidden, links to files included.

    Raises:
        ValueError: It is damaged, or has members with unsafe names (absolute, with '..', links that leave the
            folder, devices); all of them are counted and the first ten named.
    """

    def __init__(self, name: str, file):
        self.name = name
        self.is_zip = name.lower().endswith('.zip')
        self._file = file
        try:
            with damage_named(name):
                self._handle = zipfile.ZipFile(file) if self.is_zip else tarfile.open(fileobj=file)  # noqa: SIM115
                entries = list(self._zip_entries() if self.is_zip else self._tar_entries())
            self.members = self._safe(entries)
        except BaseException:
            file.close()
            raise

    def _zip_entries(self) -> Iterator[tuple]:
        """Yield (name, Member or None, link target or None, problem)."""
        for info in self._handle.infolist():
            name = info.filename.replace('\\', '/')
            mode = info.external_attr >> 16
            obstacle = ''
            if info.flag_bits & 1:
                obstacle = 'encrypted'
            elif info.compress_type not in _METHODS:
                obstacle = f'packed by a method (number {info.compress_type}) that Python cannot unpack'
            if name.endswith('/'):
                yield name, None, None, ''
            elif stat.S_ISLNK(mode):
                target = '' if obstacle or info.file_size > 4096 else self._handle.read(info).decode(errors='replace')
                yield name, None, target, ''
            else:
                yield name, Member(name, info.file_size, info, obstacle), None, ''

    def _tar_entries(self) -> Iterator[tuple]:
        for info in self._handle:
            if info.isreg():
                yield info.name, Member(info.name, info.size, info), None, ''
            elif info.issym():
                yield info.name, None, info.linkname, ''
            elif info.islnk():  # its target is named from the top of the archive
                depth = posixpath.normpath(info.name).count('/')
                inner = info.linkname if info.linkname.startswith('/') else '../' * depth + info.linkname
                yield info.name, None, inner, ''
            else:
                yield info.name, None, None, '' if info.isdir() else 'device or pipe'

    def _safe(self, entries: list) -> list:
        unsafe, known = [], {}
        for name, member, target, problem in entries:
            problem = problem or name_problem(name)
            if problem:
                unsafe.append(f'{name!r} ({problem})')
                continue
            path = posixpath.normpath(name)
            if member is not None:
                known[path] = member._replace(name=path)
            elif target is not None:
                known[path] = target
        members = []
        for path, found in known.items():
            member = found
            if isinstance(found, str):
                member, problem = resolve_link(path, found, known)
                if problem:
                    unsafe.append(f'{path!r} ({problem}: {found!r})')
            if member is not None and not any(map(is_hidden, path.split('/'))):
                members.append(member._replace(name=path))
        if unsafe:
            raise ValueError(
                f'{self.name} is refused: {len(unsafe)} of its members are unsafe: {first_names(unsafe)}. No data set '
                'needs them: get the archive from its official page, or extract and look at it yourself.'
            )
        return members

    def position(self, member: Member) -> int:
        """Where the member's bytes begin: reading in this order never goes back in a compressed archive."""
        return member.info.header_offset if self.is_zip else member.info.offset_data

    def open(self, member: Member):
        """The member as a binary file.

        Raises:
            ValueError: It is encrypted, or packed in a way that Python cannot unpack.
        """
        if member.obstacle:
            raise ValueError(f'{self.name}: {member.name} is {member.obstacle}; {remedy(member.obstacle)}')
        with damage_named(self.name):
            return self._handle.open(member.info) if self.is_zip else self._handle.extractfile(member.info)

    def close(self) -> None:
        """Close the file."""
        self._handle.close()
        self._file.close()


def remedy(obstacle: str) -> str:
    """What to do about a member's obstacle."""
    password = ' with its password' if obstacle == 'encrypted' else ''
    return f'extract the archive{password} first (unzip, 7z) and give the extracted folder as RAW_DIR'
