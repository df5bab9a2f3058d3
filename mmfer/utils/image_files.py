"""Files in and below a folder: one walk for data sets, tools and inference."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

IMG_EXTENSIONS = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp', '.pgm', '.ppm', '.avif', '.heic', '.heif')
"""Endings, lower case, of the image files that data sets take."""
_OTHERS = ('apng', 'avif', 'dib', 'gif', 'heic', 'heif', 'jfif', 'jp2', 'jpe', 'jxl', 'pbm', 'pnm', 'tga')
_KINDS = '|'.join([*(ending[1:] for ending in IMG_EXTENSIONS), *_OTHERS])
_IMAGE_NAME = re.compile(rf'\.(?:{_KINDS})(?:[^\w.].*)?$', re.IGNORECASE)  # also 'a.jpg?size=l' and 'a.jpg '

HIDDEN = 'in hidden files and folders'
ENDING = 'with endings that are not read'


class Listing(NamedTuple):
    """Files in and below a folder.

    Attributes:
        images (list[str]): Paths of the images, folder by folder.
        left_out (list[tuple[str, str]]): Why an image file is left out, and its path.
        others (list[str]): Paths of files that are no images.
        folders (list[str]): Paths of all folders that were looked into.
    """

    images: list[str]
    left_out: list[tuple[str, str]]
    others: list[str]
    folders: list[str]

    @classmethod
    def empty(cls) -> Listing:
        """Without files."""
        return cls([], [], [], [])


def is_hidden(name: str) -> bool:
    """Whether a file or folder is one that systems and archivers leave behind."""
    return name.startswith('.') or name == '__MACOSX'


def is_image_name(name: str) -> bool:
    """Whether a file is an image by its name, in a format that is read or in another one, and not hidden."""
    return _IMAGE_NAME.search(name) is not None and not is_hidden(name)


def walk(
    folder: str | os.PathLike,
    skip: Callable[[str], bool] = is_hidden,
    on_error: Callable[[OSError], None] | None = None,
) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder in and below ``folder``, and the names of the files directly in it, both sorted.

    Links are followed. Each folder is visited once, however many links lead to it, and none that ``folder`` lies in.

    Args:
        folder: Where to begin.
        skip: Says by their names which files and folders are left out.
        on_error: Called for a folder that cannot be listed; without it the error is raised.
    """
    seen = {_identity(above) for above in _folders_around(folder)}
    waiting = [os.fspath(folder)]
    while waiting:
        place = waiting.pop()
        try:
            own = _identity(place)
            if own in seen:
                continue
            with os.scandir(place) as listed:
                entries = sorted((entry.name, is_folder(entry)) for entry in listed if not skip(entry.name))
        except OSError as error:
            if on_error is None:
                raise
            on_error(error)
            continue
        seen.add(own)
        yield place, [name for name, is_folder in entries if not is_folder]
        waiting += [os.path.join(place, name) for name, is_folder in reversed(entries) if is_folder]


def _identity(folder: str) -> tuple[int, int]:
    info = os.stat(folder)
    return info.st_dev, info.st_ino


def _folders_around(folder: str | os.PathLike) -> Iterator[str]:
    path = os.path.realpath(folder)
    while (above := os.path.dirname(path)) != path:
        yield above
        path = above


def is_folder(entry: os.DirEntry) -> bool:
    """Whether it is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def list_images(folder: str | os.PathLike, extensions: Sequence[str] = IMG_EXTENSIONS) -> Listing:
    """The files in and below ``folder``.

    What archives of macOS hold beside each file (``__MACOSX``, ``._name``) counts as nothing.

    Args:
        folder: Where to look.
        extensions: Endings, lower case, of the images that are taken.

    Raises:
        OSError: A folder cannot be listed.
    """
    found = Listing.empty()
    top = len(os.path.join(os.fspath(folder), ''))
    for place, names in walk(folder, lambda name: name == '__MACOSX' or name.startswith('._')):
        found.folders.append(place)
        hidden = any(map(is_hidden, place[top:].split(os.sep)))
        sort_files(place, names, extensions, found, hidden)
    return found


def sort_files(
    place: str, names: Sequence[str], extensions: Sequence[str], found: Listing, hidden: bool = False
) -> None:
    """Enter the files ``names`` of the folder ``place`` into ``found``."""
    endings = tuple(extensions)
    for name in names:
        path = os.path.join(place, name)
        is_taken = name.lower().endswith(endings)
        if hidden or is_hidden(name):
            if is_taken or _IMAGE_NAME.search(name):
                found.left_out.append((HIDDEN, path))
        elif is_taken:
            found.images.append(path)
        elif _IMAGE_NAME.search(name):
            found.left_out.append((ENDING, path))
        else:
            found.others.append(path)
