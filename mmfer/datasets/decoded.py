"""The decoded images of a data set, kept in one array of bytes that its processes share; and those that are none."""

from __future__ import annotations

import hashlib
import logging
import mmap
import os
import tempfile
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from mmengine.logging import print_log

from mmfer.utils.cache import write_file
from mmfer.utils.cache_dir import cache_dir
from mmfer.utils.progress import track

from .entry_list import first_names
from .transforms.loading import LoadImageFromFile, read_image

MODES = ('memory', 'disk')
_MEMORY = '/dev/shm'  # where files are memory; elsewhere they stay in the system's cache as long as there is room
_ROW = 32  # bytes of the table for an image: where it ends, height, width, channels
_READING = 2  # another number where files are read to other pixels than before
_BLOCK = 256  # images that are decoded at a time


class DecodedImages:
    """N images, one after another, and a table of where each ends and of its size, int64 (N, 4).

    Args:
        source: The file, which a process that this is sent to opens itself; or its content, uint8.
        num: N.

    Raises:
        OSError: There is no such file.
        ValueError: It is no whole one.
    """

    def __init__(self, source: Path | np.ndarray, num: int) -> None:
        self.source, self.num = source, num
        self._bytes = source if isinstance(source, np.ndarray) else np.memmap(source, np.uint8, 'r').view(np.ndarray)
        table = self._bytes[max(0, self.nbytes - _ROW * num) :].tobytes()
        self._table = np.frombuffer(table, np.int64).reshape(num, 4)
        if self._table[-1, 0] != self.nbytes - _ROW * num:
            raise ValueError(f'{source} is cut off')

    def __len__(self) -> int:
        return self.num

    def __getitem__(self, row: int) -> np.ndarray:
        """Image ``row``: a copy, uint8 (H, W, 3) BGR, or of a grey one a view that cannot be written to, (H, W)."""
        end, height, width, channels = self._table[row].tolist()
        img = self._bytes[end - height * width * channels : end]
        return img.reshape(height, width) if channels == 1 else img.reshape(height, width, channels).copy()

    @property
    def nbytes(self) -> int:
        """Bytes of all images and the table."""
        return self._bytes.size

    def __reduce__(self) -> tuple:
        return DecodedImages, (self.source, self.num)

    def __deepcopy__(self, memo: dict) -> DecodedImages:
        return self


def keep_decoded(
    paths: Sequence[str], decode: Callable[[int], np.ndarray], settings: Hashable, mode: str, description: str
) -> DecodedImages:
    """The decoded images of a list of files.

    Args:
        paths: The image files, N.
        decode: ``decode(i)`` gives image i, uint8 (H, W, 3) BGR; called by several threads.
        settings: What the images depend on besides their files; its ``repr`` counts.
        mode: 'disk' keeps them in a file of the cache folder, which later runs find by the paths, sizes and times of
            change of the images, the settings and the reader; 'memory' in one without a name.
        description: What is shown while they are decoded.

    Raises:
        OSError: There is no room, or an image does not exist.
        ValueError: An image cannot be decoded.
    """

    def write(file: BinaryIO) -> None:
        _write(file, len(paths), decode, description)

    if mode == 'memory':
        with tempfile.TemporaryFile(dir=_MEMORY if os.path.isdir(_MEMORY) else None) as file:
            write(file)
            file.flush()
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return DecodedImages(np.frombuffer(content, np.uint8), len(paths))
    digest = hashlib.blake2b(repr((settings, cv2.__version__, _READING)).encode(), digest_size=16)
    for path in paths:
        found = os.stat(path)
        text = f'{os.path.abspath(path)}\0{found.st_size}\0{found.st_mtime_ns}\n'
        digest.update(text.encode('utf-8', 'surrogateescape'))
    kept = cache_dir() / 'images' / f'{digest.hexdigest()}.images'
    try:
        return DecodedImages(kept, len(paths))
    except (OSError, ValueError):  # not there, or cut off
        write_file(kept, write)
        return DecodedImages(kept, len(paths))


def _write(file: BinaryIO, num: int, decode: Callable[[int], np.ndarray], description: str) -> None:
    """Write the images, grey ones as (H, W), and the table; decoding leaves Python, so that threads share the work."""

    def make(i: int) -> np.ndarray:
        img = decode(i)
        grey = np.array_equal(img[..., 0], img[..., 1]) and np.array_equal(img[..., 0], img[..., 2])
        return np.ascontiguousarray(img[..., :1] if grey else img)

    table = np.zeros((num, 4), np.int64)
    end = 0
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        blocks = (pool.map(make, range(start, min(start + _BLOCK, num))) for start in range(0, num, _BLOCK))
        for i, img in enumerate(track((img for block in blocks for img in block), num, description)):
            end += img.size
            table[i] = (end, *img.shape)
            file.write(img)
    file.write(table)


def decode_all(entries: Sequence[dict], pipeline: Sequence, mode: str, owner: str) -> DecodedImages | None:
    """Decode the images that entries name as the pipeline would, and set each entry's ``cache_row``.

    Entries without ``img_path`` have their images in memory. A pipeline that is empty needs none.

    Args:
        entries: Entries of a list, changed in place.
        pipeline: Built transforms, the first of which loads the images.
        mode: 'memory' or 'disk', see :func:`keep_decoded`.
        owner: The data set, for messages.

    Returns:
        The images; None where there are none, or they cannot be kept, which a warning tells.

    Raises:
        FileNotFoundError: Images do not exist.
        ValueError: The pipeline begins otherwise, or an image cannot be decoded.
    """
    entries = [entry for entry in entries if 'img_path' in entry]
    load = next(iter(pipeline), None)
    if load is None or not entries:
        return None
    if type(load) is not LoadImageFromFile:
        raise ValueError(
            f"{owner}: cache='{mode}' needs a pipeline that begins with mmfer's LoadImageFromFile, not "
            f'{type(load).__name__}'
        )
    sources: dict = {}  # path, and whether the image must keep its size -> row
    rows = [sources.setdefault((entry['img_path'], load.is_whole(entry)), len(sources)) for entry in entries]
    images = list(sources)
    paths = [path for path, _ in images]
    settings = load.min_side, load.min_side and tuple(whole for _, whole in images)
    try:
        decoded = keep_decoded(paths, lambda row: load.read(*images[row]), settings, mode, f'Decoding images ({owner})')
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{owner}: cache='{mode}' needs all images on this machine: {error}") from None
    except ValueError as error:
        raise ValueError(f"{owner}: {error} (unreadable='skip' leaves such images out)") from None
    except OSError as error:
        text = f"{owner}: cache='{mode}' is not used, images are decoded whenever they are needed: {error}. "
        print_log(f'{text}Make room, or take another mode.', logger='current', level=logging.WARNING)
        return None
    for entry, row in zip(entries, rows):
        entry['cache_row'] = row
    return decoded


def find_unreadable(entries: Sequence[dict], owner: str, split: str = '') -> list[str]:
    """Paths of the images that cannot be decoded, one for each entry that names one; a warning tells them."""
    found = []
    for entry in track(entries, len(entries), f'Looking for unreadable images ({split or "all"})'):
        try:
            if 'img_path' in entry:
                read_image(entry['img_path'])
        except ValueError:
            found.append(entry['img_path'])
    if found:
        text = f'{owner}: {len(found)} of {len(entries)} images cannot be decoded and are left out: '
        print_log(text + first_names(found), logger='current', level=logging.WARNING)
    return found
