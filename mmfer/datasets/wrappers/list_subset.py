"""The part of a data set that a text file names, such as the occlusion and pose subsets."""

import logging
import os
import re
from collections import Counter
from typing import Optional

from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from mmfer.registry import DATASETS
from mmfer.structures.expressions import EXPRESSIONS, find_class
from mmfer.utils.image_files import IMG_EXTENSIONS

from ..arguments import check_choice
from ..entry_list import first_names
from .base import DatasetWrapper

RAN_REPOSITORY = 'https://github.com/kaiwang960112/Challenge-condition-FER-dataset'
RAN_LISTS = dict(
    raf_db_occlusion=735,
    raf_db_pose30=1247,
    raf_db_pose45=558,
    fer_plus_occlusion=605,
    fer_plus_pose30=1170,
    fer_plus_pose45=633,
    affect_net_occlusion=683,
    affect_net_pose30=1949,
    affect_net_pose45=985,
)
"""Names of RAN's lists and their numbers of lines, which are the published sizes of the subsets."""

_HASH = re.compile(r'[0-9a-f]{40,}')  # the names of AffectNet's images, in some lists those of a folder
_CLASS_PREFIX = re.compile(r'^\d+_')


def read_names(path: str) -> list:
    """First token (up to a space or comma) of each line of a text file; empty lines and ``# comments`` are left out.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It names nothing.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f'ListSubset: list file not found: {path or "(empty path)"}\nThe occlusion and pose lists are in '
            f'{RAN_REPOSITORY}; set the option `list_file`'
        )
    with open(path, encoding='utf-8-sig', errors='replace') as file:
        lines = [line.strip() for line in file]
    names = [re.split(r'[\s,]', line, maxsplit=1)[0] for line in lines if line and not line.startswith('#')]
    if not names:
        raise ValueError(f'ListSubset: the list {path} is empty')
    return names


def name_parts(path: str) -> list:
    """Folders and stem of a path: without the ending of images, and without the '_aligned' of RAF-DB."""
    parts = [part for part in path.replace('\\', '/').split('/') if part not in ('', '.')] or ['']
    stem, ending = os.path.splitext(parts[-1])
    if ending.lower() in IMG_EXTENSIONS:
        parts[-1] = stem
    if parts[-1].endswith('_aligned'):
        parts[-1] = parts[-1][: -len('_aligned')]
    return parts


class _Finder:
    """Finds the samples that names in a list mean."""

    def __init__(self, dataset: BaseDataset):
        # Images that lie in memory, or are drawn, have no path in the list.
        paths = [path or name for path, name in zip(dataset.column('img_path'), dataset.column('image_name'))]
        for i, path in enumerate(paths):
            if path is None:
                paths[i] = dataset.get_data_info(i).get('img_path', '')
        self.parts = [name_parts(path) for path in paths]
        self.known = dataset.classes
        self.classes = [dataset.classes[label] for label in dataset.get_gt_labels()]
        self.by_stem: dict = {}
        for i, parts in enumerate(self.parts):
            self.by_stem.setdefault(parts[-1], []).append(i)

    def __call__(self, name: str) -> list:
        """Indices of the samples that ``name`` may mean: one if it is found, none or several if not."""
        parts = name_parts(name)
        hashes = [i for i, part in enumerate(parts) if _HASH.fullmatch(part)]
        if hashes:
            parts = parts[: hashes[-1] + 1]
        found = self.by_stem.get(parts[-1]) or self.by_stem.get(_CLASS_PREFIX.sub('', parts[-1]), [])
        placed = [i for i in found if self.parts[i][-len(parts) :] == parts]
        if placed:  # also where its class has another name or label now
            return placed
        name = len(parts) > 1 and (find_class(parts[-2], self.known) or find_class(parts[-2], EXPRESSIONS))
        return [i for i in found if self.classes[i] == name] if name else found


@DATASETS.register_module()
class ListSubset(DatasetWrapper):
    """The samples of a data set that a text file names, in the order of the data set.

    The first token of each line, up to a space or comma, names a sample by its file: ``test_0003_aligned``,
    ``test_0003.jpg``, ``0/test_0003_aligned.jpg``; endings of images and '_aligned' do not count. Where several
    samples have the same file name, the folders before it tell them apart, and a folder named by an expression must be
    the sample's own or its class. Folders named by numbers do not count, nor do other columns: labels are those of the
    data set.

    The occlusion and pose subsets of "Region Attention Networks for Pose and Occlusion Robust Facial Expression
    Recognition" (RAN), IEEE TIP 2020, https://arxiv.org/abs/1905.04075, come as such lists, from
    https://github.com/kaiwang960112/Challenge-condition-FER-dataset. All their forms are read:

    ====================  ==========================================  =====  ======================================
    name                  file there                                  lines  of
    ====================  ==========================================  =====  ======================================
    raf_db_occlusion      RAF_DB_dir/rafdb_occlusion_list.txt         735    RAFDB, test
    raf_db_pose30         RAF_DB_dir/val_raf_db_list.txt              1,247
    raf_db_pose45         RAF_DB_dir/val_raf_db_list_45.txt           558
    fer_plus_occlusion    FERplus_dir/jianfei_occlusion_list.txt      605    FERPlus, test
    fer_plus_pose30       FERplus_dir/pose_30_ferplus_list.txt        1,170
    fer_plus_pose45       FERplus_dir/pose_45_ferplus_list.txt        633
    affect_net_occlusion  AffectNet_dir/occlusion_affectnet_list.txt  683    AffectNet with 8 classes, val, with
    affect_net_pose30     AffectNet_dir/pose_30_affectnet_list.txt    1,949  the file names of the 2017 release
    affect_net_pose45     AffectNet_dir/pose_45_affectnet_list.txt    985
    ====================  ==========================================  =====  ======================================

    The RAF-DB occlusion list names test_2464 twice: it is 735 lines but 734 faces. ``repeats='keep'`` has that face
    twice, as published figures do. With the seven classes of AffectNet, ``missing='skip'`` leaves out contempt.

    Args:
        dataset: The data set, or its config.
        list_file: The text file.
        name: Name of the subset in the protocol; one of the names above also compares the number of lines with the
            published one and warns where they differ. By default that of the file.
        missing: What to do about names that the data set does not have: 'error', or 'skip' to leave them out, with a
            warning.
        repeats: What to do about samples that are named more than once: 'error', 'keep' them as often, or 'drop' the
            repetitions.
        lazy_init: Do not read the lists before they are needed.

    Raises:
        FileNotFoundError: The list does not exist.
        ValueError: The list is empty, or has names that are missing, ambiguous or repeated; all come in one error.
    """

    def __init__(
        self,
        dataset: BaseDataset,
        list_file: str,
        name: str = '',
        missing: str = 'error',
        repeats: str = 'error',
        lazy_init: bool = False,
    ):
        self.list_file = os.path.expanduser(list_file)
        self.name = name or os.path.splitext(os.path.basename(list_file))[0]
        self.missing = check_choice(self, 'missing', missing, ('error', 'skip'))
        self.repeats = check_choice(self, 'repeats', repeats, ('error', 'keep', 'drop'))
        self._notes: list = []
        super().__init__(dataset, lazy_init=lazy_init)

    def published_counts(self) -> Optional[int]:
        """Published number of samples of RAN's subsets; else None."""
        return RAN_LISTS.get(self.name)

    def apply(self) -> None:
        """Keep the samples that the list names."""
        names = read_names(self.list_file)
        find = _Finder(self.dataset)
        found = {name: find(name) for name in names}
        absent = [name for name in names if not found[name]]
        ambiguous = [name for name in names if len(found[name]) > 1]
        uses = Counter(found[name][0] for name in names if found[name])
        repeated = [name for name in names if len(found[name]) == 1 and uses[found[name][0]] > 1]
        problems = []
        if absent and (self.missing == 'error' or len(absent) == len(names)):
            hint = "missing='skip' leaves them out"
            problems.append(f'{len(absent)} names that are not in the data set ({hint}): {first_names(absent)}')
        if ambiguous:
            problems.append(f'{len(ambiguous)} names that fit several samples: {first_names(ambiguous)}')
        if repeated and self.repeats == 'error':
            hint = "repeats='keep' has these samples as often, repeats='drop' once"
            problems.append(f'{len(repeated)} names of samples named more than once ({hint}): {first_names(repeated)}')
        if problems:
            lines = [f'ListSubset: {len(names)} names read from {self.list_file} for {self.dataset.protocol}, with:']
            raise ValueError('\n  '.join(lines + problems))
        self._note(len(names), absent, sum(uses.values()) - len(uses))
        self.select(sorted(uses if self.repeats == 'drop' else uses.elements()))

    def describe(self) -> str:
        """Name of the subset, and what was left out or repeated."""
        return ', '.join([f'subset {self.name}', *self._notes])

    def _note(self, total: int, absent: list, repetitions: int) -> None:
        if absent:
            self._notes.append(f'{len(absent)} of {total} names not in the data set')
        if repetitions:
            self._notes.append(f'{repetitions} repeated {"kept" if self.repeats == "keep" else "dropped"}')
        warnings = []
        if absent:
            warnings.append(f'{self._notes[0]} are left out: {first_names(absent)}')
        published = self.published_counts()
        if published is not None and published != total:
            warnings.append(f'{self.list_file} has {total} names, but {self.name} is published with {published}')
        for text in warnings:
            print_log(f'ListSubset: {text}', logger='current', level=logging.WARNING)
