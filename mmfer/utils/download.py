"""Fetching the files that mmfer uses and does not contain: checked, whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from mmfer.version import __version__

from .cache_dir import cache_dir
from .files import sha256, whole_file

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
        """Where it is kept: in :func:`mmfer.utils.cache_dir.cache_dir`."""
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


def is_there(file: RemoteFile) -> bool:
    """Whether it is in the cache folder, with the content that was published."""
    return file.path.is_file() and sha256(file.path) == file.sha256


def fetch(
    file: RemoteFile,
    copy: str | Path | None = None,
    url: str | None = None,
    force: bool = False,
    patience: float = _SECONDS,
) -> Path:
    """Bring a file into the cache folder, unless it is there.

    Args:
        file: One of ``FILES``.
        copy: A copy of it that is at hand, or the folder that holds it: nothing is downloaded.
        url: Another address of the same content.
        force: Replace another file that lies in its place.
        patience: Seconds of silence until the server counts as unreachable.

    Returns:
        Its path.

    Raises:
        OSError: It cannot be downloaded, read or written; the message says what to do.
        ValueError: What was found is not the file of the pinned SHA-256; nothing was kept of it.
    """
    target = file.path
    if is_there(file):
        return target
    if target.exists() and not (force and target.is_file()):
        raise ValueError(
            f'{target} is there, but it is not the published file (SHA-256 {file.sha256}): damaged, or another one. '
            'Remove it, or add --force to replace it'
        )
    if copy is None:
        source = url or file.url
        content = _download(source, file, patience)
    else:
        source = Path(copy).expanduser()
        source = source / file.file if source.is_dir() else source
        content = source.read_bytes()
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise ValueError(
            f'{source} is not {file.file} of {file.size} bytes with the SHA-256 {file.sha256}: it begins with '
            f'{content[:40]!r}, and is damaged, cut off, or another file. Nothing was kept'
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(target) as part:
        part.write_bytes(content)
    return target


def _download(url: str, file: RemoteFile, patience: float) -> bytes:
    """The content of an address, up to one byte more than the file has."""
    if not url.startswith(('http://', 'https://')):
        raise ValueError(f'{url} is no address of the web (https://...); for a file that is here, use --from FILE')
    request = urllib.request.Request(url, headers={'User-Agent': f'mmfer/{__version__}'})
    try:
        with urllib.request.urlopen(request, timeout=patience) as answer:
            return answer.read(file.size + 1)
    except (OSError, http.client.HTTPException) as error:
        raise OSError(
            f'cannot download {url}: {error or type(error).__name__}. Download the file on another machine and install '
            f'it with: mmfer download {file.name} --from {file.file} (mmfer explain no-detector)'
        ) from None
