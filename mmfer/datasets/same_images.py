"""Which images two data sets have in common."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from mmfer.datasets import SynthFER
from mmfer.utils.nesting import inside, source


def image_ids(dataset: Any) -> np.ndarray:
    """A number for each image of a data set, int64 (N,), by which it is known again.

    It follows from the file's name with its two folders, and its size; for rows of a file from their place, and for
    drawn faces from what they are drawn by. So it is the same for a copy of the data elsewhere, and no image is read.
    Of MMEngine's wrappers that repeat samples each is listed once.
    """
    parts = inside(dataset)
    if parts and not hasattr(dataset, 'entry'):
        return np.concatenate([image_ids(part) for part in parts])
    if not hasattr(dataset, 'get_data_info'):
        raise ValueError(f'{type(dataset).__name__} does not tell its images: a data set of mmfer is needed')
    texts = (_describe(dataset, i) for i in range(len(dataset)))
    digests = [hashlib.blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=8).digest() for text in texts]
    return np.frombuffer(b''.join(digests), '<i8').astype(np.int64)


def count_fitted_images(content: Mapping[str, Any], dataset: Any) -> int:
    """How many images of ``dataset`` the calibration in the ``content`` of a checkpoint was fitted on."""
    images = ((content.get('meta') or {}).get('calibration') or {}).get('images')
    if images is None:
        return 0
    try:
        return int(np.isin(image_ids(dataset), np.asarray(images)).sum())
    except ValueError:  # a data set of someone else, whose images are unknown
        return 0


def _describe(dataset: Any, index: int) -> str:
    inner, _ = source(dataset, index)
    entry = getattr(dataset, 'entry', dataset.get_data_info)(index)
    if isinstance(inner, SynthFER):  # get_data_info would draw the face
        return f'synth {inner.seed} {inner.split} {entry["face_index"]}'
    path = entry.get('img_path') or dataset.get_data_info(index).get('img_path')
    if not path:
        raise ValueError(f'{type(inner).__name__} does not name its images (img_path)')
    file, _, row = path.partition('#row=')
    try:
        size = os.stat(file).st_size
    except OSError:
        size = -1
    return f'{"/".join(file.replace(os.sep, "/").split("/")[-3:])} {row} {size}'
