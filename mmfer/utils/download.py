"""Fetching the files that mmfer uses and does not contain: checked, whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mmfer.version import __version__

from .cache_dir import cache_dir
from .files import replace_synced

_CHUNK = 1 << 16
_SECONDS = 30  # of silence until a server counts as unreachable


@dataclass(frozen=True)
class RemoteFile:
    """A file that is published elsewhere.

    Attributes:
        name: What it is asked for by.
        file: Its name in the cache folder.
        url: Where it is published.
        sha256: Of its content.
        size: In bytes.
        about: What it is and under which licence, as its publishers say.
    """

    name: str
    file: str
    url: str
    sha256: str
    size: int
    about: str

    @property
    def path(self) -> Path:
        """Where it is kept: in :func:`mmfer.utils.cache.cache_dir`."""
        return cache_dir() / self.file


_ZOO = 'https://github.com/opencv/opencv_zoo'
FILES = {
    file.name: file
    for file in (
        RemoteFile(
            name='yunet',
            file='face_detection_yunet_2023mar.onnx',
            url=f'{_ZOO}/raw/main/models/face_detection_yunet/face_detection_yunet_2023mar.onnx',
            sha256='8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4',
            size=232589,
            about=f'the face detector YuNet; MIT licence, by {_ZOO}/tree/main/models/face_detection_yunet',
        ),
    )
}


def known_file(name: str) -> RemoteFile:
    """The file called ``name``, or ValueError with the known names."""
    if name not in FILES:
        raise ValueError(f'unknown file {name!r}; known are {", ".join(FILES)}')
    return FILES[name]


def state_of(file: RemoteFile) -> str:
    """'there', 'not there' or, where another file lies in its place, 'another file'."""
    if not file.path.exists():
        return 'not there'
    return 'there' if file.path.is_file() and sha256(file.path) == file.sha256 else 'another file'


def fetch(file: RemoteFile, copy: str | Path | None = None, url: str | None = None, force: bool = False) -> Path:
    """Bring a file into the cache folder, unless it is there.

    Args:
        file: One of ``FILES``.
        copy: A copy of it that is at hand, or the folder that holds it: nothing is downloaded.
        url: Another address of the same content.
        force: Replace another file that lies in its place.

    Returns:
        Its path.

    Raises:
        OSError: It cannot be downloaded, read or written; the message says what to do.
        ValueError: What was found is not the file of the pinned SHA-256; nothing was kept of it.
    """
    target, state = file.path, state_of(file)
    if state == 'there':
        return target
    if state == 'another file' and not (force and target.is_file()):
        raise ValueError(
            f'{target} is there, but it is not the published file (SHA-256 {file.sha256}): damaged, or another one. '
            'Remove it, or add --force to replace it'
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f'.{target.name}.{os.getpid()}.part')
    try:
        if copy is None:
            source = url or file.url
            _write(part, _downloaded(source, file), file, source)
        else:
            source = Path(copy).expanduser()
            source = str(source / file.file if source.is_dir() else source)
            _write(part, _read(source), file, source)
        replace_synced(part, target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _write(part: Path, chunks: Iterable[bytes], file: RemoteFile, source: str) -> None:
    digest, size, first = hashlib.sha256(), 0, b''
    with open(part, 'wb') as out:
        for chunk in chunks:
            first = first or chunk[:200]
            size += len(chunk)
            if size > file.size:
                break
            digest.update(chunk)
            out.write(chunk)
    if size == file.size and digest.hexdigest() == file.sha256:
        return
    length = f'{size} bytes' if size <= file.size else f'more than {file.size} bytes'
    if first.startswith(b'version https://git-lfs'):
        reason = 'it is a pointer of Git LFS that stands for the file, not the file'
    elif first.lstrip()[:1] == b'<':
        reason = 'it is a web page'
    elif size < file.size:
        reason = 'it is cut off, or another file'
    else:
        reason = 'it is damaged, or another file'
    raise ValueError(
        f'{source} ({length}) is not {file.file}, which has {file.size} bytes and the SHA-256 {file.sha256}: {reason}. '
        'Nothing was kept'
    )


def _read(path: str) -> Iterator[bytes]:
    with open(path, 'rb') as source:
        while chunk := source.read(_CHUNK):
            yield chunk


def _downloaded(url: str, file: RemoteFile) -> Iterator[bytes]:
    if not url.startswith(('http://', 'https://')):
        raise ValueError(f'{url} is no address of the web (https://...); for a file that is here, use --from FILE')
    request = urllib.request.Request(url, headers={'User-Agent': f'mmfer/{__version__}'})
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            while chunk := answer.read(_CHUNK):
                yield chunk
    except urllib.error.HTTPError as error:
        raise OSError(_failed(url, file, f'the server answers {error.code} ({error.reason})')) from None
    except urllib.error.URLError as error:
        raise OSError(_failed(url, file, f'no connection ({error.reason})')) from None
    except (OSError, http.client.HTTPException) as error:
        raise OSError(_failed(url, file, f'the connection broke off ({error or type(error).__name__})')) from None


def _failed(url: str, file: RemoteFile, reason: str) -> str:
    return (
        f'cannot download {url}: {reason}. Download the file on another machine and install it with: '
        f'python tools/download.py {file.name} --from {file.file}'
    )


def sha256(path: str | Path) -> str:
    """Checksum of a file, as ``sha256sum`` prints it."""
    digest = hashlib.sha256()
    for chunk in _read(str(path)):
        digest.update(chunk)
    return digest.hexdigest()
