"""What a look at every image and label of a config's data sets finds wrong."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import Any

import numpy as np
from mmengine.registry import DefaultScope
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from mmfer.registry import DATASETS
from mmfer.structures.expressions import class_key
from mmfer.utils.nesting import inside, leaves
from mmfer.utils.perceptual_hash import (
    SIZE,
    detail,
    find_pairs,
    perceptual_hash,
    thumbnail,
    thumbnail_difference,
)
from mmfer.utils.progress import track

from .copies import find_copies
from .transforms.loading import LoadImageFromFile
from .wrappers.base import is_own

SPLITS = ('train', 'val', 'test')
MAX_DIFFERENCE = 0.3
"""Near duplicates: largest difference of the normalised thumbnails, a correlation of at least 0.955."""
MIN_DETAIL = 4.0
"""Images with less detail (grey levels, ``mmfer.utils.perceptual_hash.detail``) are compared by their pixels alone."""
_CHUNK = 64


# ---- data sets of a config ----------------------------------------------------------------------------------------
def split_settings(config: Mapping, split: str) -> dict:
    """The data set's settings in the config's dataloader of a split.

    Raises:
        ValueError: The config has no such dataloader, or it has no data set.
    """
    loader = config.get(f'{split}_dataloader')
    if not loader or not loader.get('dataset'):
        present = [name for name in SPLITS if config.get(f'{name}_dataloader')]
        raise ValueError(f'the config has no {split}_dataloader with a dataset; it has {", ".join(present) or "none"}')
    return loader['dataset']


def build_dataset(settings: Mapping) -> Any:
    """Build a data set of mmfer, or a wrapper of some.

    Raises:
        ValueError: It is a data set of another kind.
    """
    with DefaultScope.overwrite_default_scope('mmfer'):
        dataset = DATASETS.build(settings)
    for leaf in leaves(dataset):
        absent = [name for name in ('classes', 'column', 'get_data_info', 'protocol') if not hasattr(leaf, name)]
        if absent:
            raise ValueError(
                f'{type(leaf).__name__} is no data set of mmfer: it lacks {", ".join(absent)}. '
                'Derive it from FERDataset'
            )
    return dataset


def _own_parts(settings: Mapping) -> list[Mapping]:
    """The data sets of mmfer inside wrappers of MMEngine, and those that are joined, each for itself."""
    parts = inside(settings)
    if not parts or ('dataset' in settings and is_own(settings)):
        return [settings]
    return [own for part in parts for own in _own_parts(part)]


def _stripped(settings: Any) -> Any:
    """The settings without what does not choose images or labels; every image is to be reported, none skipped."""
    if isinstance(settings, Mapping):
        return {
            key: 'error' if key == 'unreadable' else _stripped(value)
            for key, value in settings.items()
            if key not in ('pipeline', 'test_mode', 'lazy_init', 'cache')
        }
    return type(settings)(map(_stripped, settings)) if type(settings) in (list, tuple) else settings


def distinct_settings(config: Mapping, splits: Sequence[str] | None = None) -> list[tuple[list[str], dict]]:
    """Names and settings of a config's data sets, those that several splits share once.

    Data sets that a split joins are listed one by one, as 'train part 1' and so on; repetitions are not.

    Args:
        config: The config.
        splits: Which dataloaders; all that the config has by default.
    """
    distinct: list = []
    for split in splits or [name for name in SPLITS if config.get(f'{name}_dataloader')] or SPLITS[:1]:
        parts = _own_parts(_stripped(split_settings(config, split)))
        for i, settings in enumerate(parts, 1):
            name = split if len(parts) == 1 else f'{split} part {i}'
            same = [names for names, others in distinct if others == settings]
            if same:
                same[0].append(name)
            else:
                distinct.append(([name], settings))
    return distinct


# ---- a look at every image ----------------------------------------------------------------------------------------
class Scan:
    """What is kept of each image of a data set: about 1.1 KB.

    Attributes:
        files (list[str]): Names, N.
        labels (list[str]): Names of the classes, N, those of expressions canonical.
        sizes (np.ndarray): int32 (N, 2), width and height in pixels; 0 where an image cannot be read.
        errors (dict[int, str]): Why an image cannot be read, by index.
        digests (np.ndarray): bytes (N,), equal for equal pixels.
        hashes (np.ndarray): uint64 (N,).
        thumbs (np.ndarray): uint8 (N, 32, 32).
    """

    def __init__(self, names: Sequence[str], dataset: Any, workers: int = 1):
        self.names, self.dataset = list(names), dataset
        count = len(dataset)
        names = list(map(class_key, dataset.classes))  # data sets may call the same class happy and happiness
        self.labels = [names[label] for label in dataset.column('gt_label')]
        self.files = [''] * count
        self.sizes = np.zeros((count, 2), np.int32)
        self.errors: dict = {}
        self.digests = np.zeros(count, 'V16')
        self.hashes = np.zeros(count, np.uint64)
        self.thumbs = np.zeros((count, SIZE, SIZE), np.uint8)
        chunks = [range(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
        pool = ThreadPoolExecutor(workers)
        try:
            done = (index for chunk in pool.map(self._look_at, chunks) for index in chunk)
            for _ in track(done, count, f'Looking at the images ({", ".join(self.names)})'):
                pass
        finally:
            pool.shutdown(cancel_futures=True)

    def _look_at(self, indices: Iterable[int]) -> Iterable[int]:
        load = LoadImageFromFile()
        for i in indices:
            info = self.dataset.get_data_info(i)
            self.files[i] = str(info.get('img_path') or f'sample {i}')
            try:
                img = _face(load.transform(info))
            except (OSError, ValueError) as error:
                self.errors[i] = str(error)
                continue
            self.sizes[i] = img.shape[1], img.shape[0]
            digest = hashlib.blake2b(str(img.shape).encode(), digest_size=16)
            digest.update(np.ascontiguousarray(img))
            self.digests[i] = np.void(digest.digest())
            self.thumbs[i] = thumbnail(img)
            self.hashes[i] = perceptual_hash(self.thumbs[i])
        return indices


def _face(info: Mapping) -> np.ndarray:
    """The image, or the part in the sample's ``face_box``: several faces may share a file."""
    img, box = info['img'], info.get('face_box')
    if box is None:
        return img
    x1, y1, x2, y2 = (max(0, round(float(value))) for value in box)
    face = img[y1:y2, x1:x2]
    if not face.size:
        raise ValueError(f'{info.get("img_path")}: face_box {tuple(box)} holds no pixel of the {img.shape[:2]} image')
    return face


# ---- duplicates ---------------------------------------------------------------------------------------------------
def find_duplicates(scans: Sequence[Scan], distance: int, changed: bool = False, workers: int = 1) -> list[np.ndarray]:
    """Groups of images that show the same picture.

    Images with the same pixels are *exact* duplicates. *Near* duplicates (re-encoded, scaled, slightly shifted or
    brightened) have hashes that differ in at most ``distance`` bits, thumbnails that differ by at most
    ``MAX_DIFFERENCE``, and ``MIN_DETAIL``. *Changed* copies (mirrored, turned, cropped) are looked for across data sets
    alone, since the time grows with the product of their sizes; see :func:`mmfer.datasets.copies.find_copies`. A group
    holds all that are linked by such pairs.

    Args:
        scans: The data sets.
        distance: Largest Hamming distance of near duplicates; -1 looks for exact ones alone.
        changed: Whether changed copies are looked for.
        workers: Threads that align candidates.

    Returns:
        For each group int64 (M, 4): number of the scan, index in it, which images of the group have
        the same pixels, and which are exact or near duplicates of each other (equal numbers).
    """
    where = np.array([(i, index) for i, s in enumerate(scans) for index in range(len(s.files))]).reshape(-1, 2)
    readable = np.concatenate([s.sizes[:, 0] > 0 for s in scans])
    where = where[readable]
    digests = np.concatenate([s.digests for s in scans])[readable]
    _, first, picture = np.unique(digests, return_index=True, return_inverse=True)  # one picture, many images
    picture = picture.reshape(-1)
    linked = [np.empty((0, 2), np.int64)]
    rich = np.empty(0, np.int64)
    place = where[first]

    def thumbs(pictures: np.ndarray) -> np.ndarray:
        return np.stack([scans[scan].thumbs[index] for scan, index in place[pictures].tolist()])

    if distance >= 0 or changed:
        parts = [detail(thumbs(part)) for part in _parts(np.arange(len(first)))]
        rich = np.flatnonzero(np.concatenate(parts) >= MIN_DETAIL) if parts else rich
    if distance >= 0:
        hashes = np.concatenate([s.hashes for s in scans])[readable][first]
        pairs = rich[find_pairs(hashes[rich], distance)]
        for part in _parts(pairs):
            a, b = part.T
            linked.append(part[thumbnail_difference(thumbs(a), thumbs(b)) <= MAX_DIFFERENCE])
    near = _groups(linked, len(first))[picture]
    if changed:
        # also pictures that several data sets have: a changed copy may be known by one of them alone
        in_scan = [np.intersect1d(rich, picture[where[:, 0] == i]) for i in range(len(scans))]
        for a, b in combinations(in_scan, 2):
            if len(a) and len(b):
                pairs = find_copies(thumbs(a), thumbs(b), workers)
                linked.append(np.column_stack([a[pairs[:, 0]], b[pairs[:, 1]]]))
    group = _groups(linked, len(first))[picture]
    order = np.lexsort((where[:, 1], where[:, 0], group))
    cuts = np.flatnonzero(np.diff(group[order])) + 1
    groups = [members for members in np.split(order, cuts) if len(members) > 1]
    found = [
        np.column_stack([where[m], *(np.unique(ids[m], return_inverse=True)[1].reshape(-1) for ids in (picture, near))])
        for m in groups
    ]
    return sorted(found, key=lambda g: g[0, :2].tolist())


def _parts(items: np.ndarray, size: int = 4096) -> list[np.ndarray]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _groups(linked: Sequence[np.ndarray], count: int) -> np.ndarray:
    """The number of the group of each of ``count`` pictures, of which the pairs (P, 2) are linked."""
    a, b = np.concatenate(linked).T
    return connected_components(coo_matrix((np.ones(len(a)), (a, b)), (count, count)), directed=False)[1]


def _duplicate_counts(scans: Sequence[Scan], groups: Sequence[np.ndarray]) -> list[dict]:
    """Images of each data set that have a copy in each: exact, else near, else changed; and with another label."""
    counts = [
        dict(images_of=own.names, copy_in=other.names, images=0, exact=0, near=0, changed=0, other_label=0)
        for own in scans
        for other in scans
    ]
    for group in groups:
        members = [(scan, pixels, near, scans[scan].labels[index]) for scan, index, pixels, near in group.tolist()]
        in_scan = Counter(scan for scan, _, _, _ in members)
        same_pixels = Counter((scan, pixels) for scan, pixels, _, _ in members)
        same_near = Counter((scan, near) for scan, _, near, _ in members)
        same_label = Counter((scan, label) for scan, _, _, label in members)
        for scan, pixels, near, label in members:
            for other, copies in in_scan.items():
                itself = int(scan == other)
                if copies > itself:
                    row = counts[scan * len(scans) + other]
                    row['images'] += 1
                    if same_pixels[other, pixels] > itself:
                        row['exact'] += 1
                    else:
                        row['near' if same_near[other, near] > itself else 'changed'] += 1
                    row['other_label'] += copies > same_label[other, label]
    return counts


# ---- the report ---------------------------------------------------------------------------------------------------
def _class_counts(scan: Scan) -> dict:
    counts = scan.dataset.class_counts()
    part = any(getattr(leaf, '_indices', None) is not None for leaf in leaves(scan.dataset))
    published = None if part else scan.dataset.published_counts()  # a deliberate part is not compared
    total = published if published is None or isinstance(published, int) else sum(published)
    each = [None] * len(counts) if published is None or isinstance(published, int) else list(published)

    def row(name: str, images: int, wanted: int | None) -> dict:
        return dict(name=name, images=images, published=wanted, difference=None if wanted is None else images - wanted)

    rows = [row(name, images, wanted) for (name, images), wanted in zip(counts.items(), each)]
    return dict(classes=rows, total=row('total', sum(counts.values()), total))


def _describe(scan: Scan, min_size: int) -> dict:
    sizes = scan.sizes[scan.sizes[:, 0] > 0]
    blank = np.flatnonzero((np.ptp(scan.thumbs, axis=(1, 2)) == 0) & (scan.sizes[:, 0] > 0)).tolist()
    tiny = np.flatnonzero((scan.sizes.min(axis=1) < min_size) & (scan.sizes[:, 0] > 0)).tolist()
    return dict(
        splits=scan.names,
        protocol=scan.dataset.protocol,
        **_class_counts(scan),
        sizes={
            axis: dict(min=int(values.min()), median=float(np.median(values)), max=int(values.max()))
            for axis, values in zip(('width', 'height'), sizes.T)
            if values.size
        },
        unreadable=[dict(file=scan.files[i], reason=reason) for i, reason in sorted(scan.errors.items())],
        tiny=[dict(file=scan.files[i], width=int(scan.sizes[i, 0]), height=int(scan.sizes[i, 1])) for i in tiny],
        blank=[dict(file=scan.files[i]) for i in blank],
    )


def _group(scans: Sequence[Scan], group: np.ndarray) -> dict:
    images = [
        dict(split=scans[s].names, index=i, file=scans[s].files[i], label=scans[s].labels[i], pixels=p)
        for s, i, p, _ in group.tolist()
    ]
    labels = {image['label'] for image in images}
    kind = 'changed' if group[:, 3].any() else 'near' if group[:, 2].any() else 'exact'
    return dict(kind=kind, labels_disagree=len(labels) > 1, across_splits=len(set(group[:, 0])) > 1, images=images)


def verify(
    config: Mapping,
    splits: Sequence[str] | None = None,
    distance: int = 3,
    min_size: int = 20,
    workers: int | None = None,
    changed: bool = True,
) -> dict:
    """Look at every image and label of the data sets of a config.

    Args:
        config: A config with train, val or test dataloaders.
        splits: Which of them; all that there are by default.
        distance: See :func:`find_duplicates`.
        min_size: Images whose shorter side is below this are called tiny, in pixels.
        workers: Threads that decode and compare images; as many as CPUs by default.
        changed: Whether mirrored, turned and cropped copies are looked for, across data sets.

    Returns:
        Plain and fit for JSON: ``settings``, ``data_sets`` (of each: counts, sizes, unreadable, tiny and blank
        images), ``duplicates`` (``counts``, and ``groups`` with all names) and ``problems`` (one sentence each; empty
        if all is well).

    Raises:
        FileNotFoundError: Files of a data set do not exist.
        ValueError: A list is wrong, or the config has no such split.
    """
    distinct = distinct_settings(config, splits)
    datasets = [(names, build_dataset(settings)) for names, settings in distinct]
    workers = workers or os.cpu_count() or 1
    scans = [Scan(names, dataset, workers) for names, dataset in datasets]
    groups = find_duplicates(scans, distance, changed, workers)
    report = dict(
        settings=dict(distance=distance, min_size=min_size, max_difference=MAX_DIFFERENCE, min_detail=MIN_DETAIL),
        data_sets=[_describe(scan, min_size) for scan in scans],
        duplicates=dict(
            counts=_duplicate_counts(scans, groups),
            groups=[_group(scans, group) for group in groups],
        ),
    )
    return dict(report, problems=find_problems(report))


def find_problems(report: Mapping) -> list[str]:
    """One sentence for each kind of problem in a report of :func:`verify`."""
    problems = []
    for part in report['data_sets']:
        name = ' and '.join(part['splits'])
        if len(part['splits']) > 1 and any(split.startswith('train') for split in part['splits']):
            problems.append(f'{name}: are the same data set')
        off = [row['name'] for row in (*part['classes'], part['total']) if row['difference']]
        if off:
            problems.append(f'{name}: counts differ from the published ones: {", ".join(off)}')
        for kind in ('unreadable', 'tiny', 'blank'):
            if part[kind]:
                problems.append(f'{name}: {len(part[kind])} {kind} images')
    for row in report['duplicates']['counts']:
        if row['images']:
            of, within = ' and '.join(row['images_of']), ' and '.join(row['copy_in'])
            kinds = ', '.join(f'{row[kind]} {kind}' for kind in ('exact', 'near', 'changed'))
            text = f'{row["images"]} images of {of} have a copy in {within}: {kinds}'
            problems.append(
                f'{text}, {row["other_label"]} with a copy of another label' if row['other_label'] else text
            )
    return problems


def training_images_with_copies(report: Mapping) -> list[str]:
    """Names, without folders, of training images that have a copy in another split, from a report of :func:`verify`."""
    names = set()
    for group in report['duplicates']['groups']:
        training = [image for image in group['images'] if image['split'][0].startswith('train')]
        if len(training) < len(group['images']):
            names.update(os.path.basename(image['file']) for image in training)
    return sorted(names)
