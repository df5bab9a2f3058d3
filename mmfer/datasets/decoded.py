"""The decoded images of a data set: those that cannot be decoded, or a warning that they cannot be kept."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from mmengine.logging import print_log

from mmfer.utils.images import read_image
from mmfer.utils.progress import track

from .entry_list import first_names, is_remote, missing_files
from .image_cache import ImageCache, open_cache
from .transforms.loading import LoadImageFromFile

_REMEDY = dict(
    memory="Use cache='disk', or give the container more shared memory (docker run --shm-size).",
    disk='Make room, or name another folder in the environment variable MMFER_CACHE.',
)


def decode_all(entries: Sequence[dict], pipeline: Sequence, mode: str, owner: str) -> ImageCache | None:
    """Decode the images that entries name as the pipeline would, and set each entry's ``cache_row``.

    Entries without ``img_path`` have their images in memory. A pipeline that is empty needs none.

    Args:
        entries: Entries of a list, changed in place.
        pipeline: Built transforms, the first of which loads the images.
        mode: 'memory' or 'disk', see :func:`open_cache`.
        owner: The data set, for messages.

    Returns:
        The images; None where there are none, or they cannot be kept, which a warning tells.

    Raises:
        FileNotFoundError: Images do not exist.
        ValueError: The pipeline begins otherwise, images are not on this machine, or cannot be decoded.
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
    remote = [path for path in paths if is_remote(path)]
    if remote:
        raise ValueError(f"{owner}: cache='{mode}' needs image files on this machine, not {first_names(remote)}")
    missing = missing_files(paths)
    if missing:
        raise FileNotFoundError(f'{owner}: {len(missing)} image files that do not exist: {first_names(missing)}')
    settings = load.min_side, load.min_side and tuple(whole for _, whole in images)
    try:
        decoded = open_cache(paths, lambda row: load.read(*images[row]), settings, mode, f'Decoding images ({owner})')
    except ValueError as error:
        raise ValueError(f"{owner}: {error} (unreadable='skip' leaves such images out)") from None
    except OSError as error:
        text = f"{owner}: cache='{mode}' is not used, images are decoded whenever they are needed: {error}. "
        print_log(text + _REMEDY[mode], logger='current', level=logging.WARNING)
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
