"""Lists of hundreds of thousands of entries: what can be wrong with them, and how they are kept."""

from __future__ import annotations

import io
import logging
import os
import pickle
from collections.abc import Sequence

import numpy as np
from mmengine.logging import print_log

from mmfer.utils.images import read_image
from mmfer.utils.progress import track

from .votes import votes_problem

_LIMIT = 10  # names shown of each kind of problem


def first_names(names: Sequence, limit: int = _LIMIT) -> str:
    """Comma-separated first ``limit`` of ``names``, with the number of those left out."""
    shown = ', '.join(str(name) for name in names[:limit])
    return shown if len(names) <= limit else f'{shown}, ... ({len(names) - limit} more)'


def is_remote(path: str) -> bool:
    """Whether it is an address of one of MMEngine's file backends."""
    return '://' in path


def serialize(entries: Sequence) -> tuple[np.ndarray, np.ndarray]:
    """Entries as MMEngine's ``BaseDataset`` keeps them, which processes share: no Python objects, one pickle each.

    Returns:
        np.ndarray: uint8, all pickles.
        np.ndarray: int64 (N,), where each one ends.
    """
    data, ends = io.BytesIO(), np.empty(len(entries), np.int64)
    for i, entry in enumerate(entries):  # at once into one place: many small pieces leave holes in the memory
        data.write(pickle.dumps(entry, protocol=4))
        ends[i] = data.tell()
    return np.frombuffer(data.getvalue(), dtype=np.uint8), ends


def missing_files(paths: Sequence) -> list:
    """Those of ``paths`` that do not exist. Lists each folder once, which is far faster than one look a file."""
    listings: dict = {}
    missing = []
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in listings:
            listings[folder] = _listing(folder)
        if name not in listings[folder] and not is_remote(folder):
            missing.append(path)
    return missing


def _listing(folder: str) -> set:
    try:
        with os.scandir(folder or '.') as entries:  # a link may be broken
            return {entry.name for entry in entries if not entry.is_symlink() or os.path.exists(entry.path)}
    except (FileNotFoundError, NotADirectoryError):
        return set()


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


def label_problems(data_list: Sequence, num_classes: int) -> list[str]:
    """What is wrong with the labels of each sample where something is, with its name.

    Args:
        data_list: Entries with ``gt_label`` and, where they have them, ``gt_score`` and ``votes``.
        num_classes: K; labels are integers in 0..K-1, scores (K,), finite, not negative and not all zero, and votes
            likewise, whole numbers.
    """
    return [text for i, info in enumerate(data_list) if (text := _label_problem(i, info, num_classes))]


def _label_problem(index: int, info: dict, num_classes: int) -> str:
    """What is wrong with the labels of a sample; '' where nothing is."""
    label, score, votes = info.get('gt_label'), info.get('gt_score'), info.get('votes')
    if score is None and votes is None and type(label) is int and 0 <= label < num_classes:  # almost all of them
        return ''
    name = info.get('img_path', f'sample {index}')
    if isinstance(label, bool) or not isinstance(label, (int, np.integer)):
        return f'{name} (gt_label {label!r} is no integer)'
    if not 0 <= label < num_classes:
        return f'{name} (gt_label {label} is not in 0..{num_classes - 1})'
    problem = '' if votes is None else votes_problem(votes, num_classes)
    if problem:
        return f'{name} (votes {problem})'
    if score is None:
        return ''
    score = np.asarray(score)
    if score.shape != (num_classes,):
        return f'{name} (gt_score has shape {score.shape} instead of ({num_classes},))'
    if not np.isfinite(score).all():
        return f'{name} (gt_score is not finite)'
    if score.min() < 0:
        return f'{name} (gt_score has negative values)'
    return '' if score.any() else f'{name} (gt_score is all zero)'
