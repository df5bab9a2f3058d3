"""The base of all data sets of facial expressions: paths, labels and checks that each of them shares."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Mapping, Sequence
from typing import Optional, Union

import numpy as np
from mmengine.dataset import BaseDataset, force_full_init
from mmengine.fileio import load
from mmengine.logging import print_log

from mmfer.registry import DATASETS
from mmfer.utils.nesting import own_copy

from .arguments import check_choice
from .entry_list import find_unreadable, first_names, is_remote, label_problems, missing_files, serialize
from .left_out import LeftOut
from .votes import votes_problem


class LabelledDataset(BaseDataset):
    """What data sets and the wrappers around them answer from their ``classes``, entries and columns."""

    @property
    def num_classes(self) -> int:
        """Number of classes, K."""
        return len(self.classes)

    def get_gt_labels(self) -> np.ndarray:
        """Labels of all samples, int64 (N,)."""
        return np.array(self.column('gt_label'), dtype=np.int64)

    def class_counts(self) -> dict:
        """Number of samples of each class: dict of class name -> int, in label order."""
        counts = np.bincount(self.get_gt_labels(), minlength=self.num_classes)
        return dict(zip(self.classes, counts.tolist()))

    def get_cat_ids(self, idx: int) -> list:
        """The label of sample ``idx`` as a list of one (what MMEngine's ClassBalancedDataset asks for)."""
        return [int(self.entry(idx)['gt_label'])]

    @force_full_init
    def get_subset(self, indices: Union[int, Sequence[int]]) -> LabelledDataset:
        """A copy with only some samples."""
        subset = own_copy(self)
        subset.get_subset_(indices)
        return subset

    @force_full_init
    def relabel(self, labels: Sequence) -> None:
        """Replace the labels in place; ``clean_label`` keeps the former one, and soft labels and votes are dropped.

        Args:
            labels: (N,), indices into ``classes``.

        Raises:
            ValueError: There are more or fewer labels than samples, or one is out of range or no integer.
        """
        labels = np.asarray(labels)
        fits = labels.dtype.kind in 'iu' and labels.shape == (len(self),)
        if not fits or labels.min() < 0 or labels.max() >= self.num_classes:
            raise ValueError(
                f'{type(self).__name__}: relabel needs {len(self)} integers in 0..{self.num_classes - 1}, got '
                f'{labels.dtype} {labels.shape} in {labels.min(initial=0)}..{labels.max(initial=0)}'
            )
        entries = [self.entry(i) for i in range(len(self))]
        for entry, label in zip(entries, labels.tolist()):
            entry.setdefault('clean_label', entry['gt_label'])
            entry['gt_label'] = label
            entry.pop('gt_score', None)
            entry.pop('votes', None)  # which are about the former label, and would tell it
        self.set_entries(entries)


@DATASETS.register_module()
class FERDataset(LabelledDataset):
    """Base class of the data sets, and reader of annotation files in MMEngine's own JSON format.

    A subclass sets the class attributes below and overrides :meth:`load_data_list`, which returns one dict a sample:

    - ``img_path`` (str): the image file; leave it out for samples that lie in memory or are made on the fly and add
      their ``img`` (uint8, (H, W) grey or (H, W, 3) BGR) in :meth:`get_data_info`;
    - ``gt_label`` (int): index into ``classes``;
    - ``gt_score`` (optional): (K,) float32 soft label, not negative; it may sum to less than one;
    - ``votes`` (optional): (K,) int64, how many people chose each class, not all zero.

    Whatever is wrong with a line or row it notes with ``self.report(kind, text)`` and goes on, so that all problems
    of the whole list come in one error; what it leaves out it counts with ``self.unused.add(reason, example)``, which
    comes in one line of the log. This class then looks for missing files (each folder is listed once) and bad
    labels, and raises one error with the count and the first ten names of each kind.

    A subclass with options of its own takes the rest as ``**options`` and hands them to this class, which refuses
    those it does not know.

    Class attributes:
        METAINFO (dict): ``classes``, canonical names (see ``mmfer.structures.expressions``) in the label order that the
            data set was published with.
        SPLITS (tuple): allowed values of ``split``; empty: any.
        EXPECTED_TREE (str): the files below ``data_root``, shown when one is missing.
        HOMEPAGE (str): the official page that the data set is obtained from.
        PUBLISHED_COUNTS (dict): split -> number of samples of each class, in label order, or their total alone.

    Args:
        data_root: Folder of the data set.
        ann_file: List file, absolute or below ``data_root``.
        img_prefix: Folder of the images, absolute or below ``data_root``.
        split: Part of the data set.
        pipeline: Transforms (dicts or callables).
        metainfo: More meta information. ``classes`` can be set only where METAINFO has none.
        indices: Use the first (positive) or last (negative) few, or those named.
        serialize_data: Keep the list as bytes, which worker processes share.
        test_mode: The pipeline must not drop samples.
        lazy_init: Do not read the list before it is needed.
        max_refetch: How many other samples are tried where the pipeline drops one.
        validate: Look for the image files and check the labels. ``False`` reads only the list: what cannot be parsed is
            an error all the same.
        unreadable: 'error' stops at the first image that cannot be decoded, when it is needed. 'skip' decodes every
            image once at the start, leaves those out that cannot be decoded, names and counts them.
        allow_empty_classes: Warn of classes without samples instead of raising an error.

    Raises:
        FileNotFoundError: A folder, the list, or images that it names do not exist.
        ValueError: The list is empty, has bad entries or no samples of a class, or an argument is wrong.
    """

    METAINFO: dict = {}
    SPLITS: tuple = ()
    EXPECTED_TREE: str = ''
    HOMEPAGE: str = ''
    PUBLISHED_COUNTS: dict = {}

    def __init__(
        self,
        data_root: str = '',
        ann_file: str = '',
        img_prefix: str = '',
        split: str = '',
        pipeline: Sequence = (),
        metainfo: Optional[Mapping] = None,
        indices: Optional[Union[int, Sequence[int]]] = None,
        serialize_data: bool = True,
        test_mode: bool = False,
        lazy_init: bool = False,
        max_refetch: int = 1000,
        validate: bool = True,
        unreadable: str = 'error',
        allow_empty_classes: bool = False,
    ):
        if self.SPLITS and split not in self.SPLITS:
            raise ValueError(
                f'{type(self).__name__}: split={split!r} is not one of {", ".join(map(repr, self.SPLITS))}'
            )
        own = tuple(self.METAINFO.get('classes', ()))
        if own and metainfo is not None and tuple(metainfo.get('classes', own)) != own:
            raise ValueError(
                f'{type(self).__name__}: metainfo cannot change the classes, whose order is that of the labels: {own}'
            )
        if indices is not None and (indices == 0 if isinstance(indices, int) else len(indices) == 0):
            raise ValueError(f'{type(self).__name__}: indices={indices!r} selects no samples')
        self.split = split
        self.validate = validate
        self.unreadable = check_choice(self, 'unreadable', unreadable, ('error', 'skip'))
        self.allow_empty_classes = allow_empty_classes
        self.skipped: list = []
        self._problems: dict = {}
        self.unused = LeftOut()
        super().__init__(
            ann_file=os.path.expanduser(ann_file),
            metainfo={**self.METAINFO, **(metainfo or {})},  # an instance may have classes of its own
            data_root=os.path.expanduser(data_root),
            data_prefix=dict(img_path=os.path.expanduser(img_prefix)),
            indices=indices,
            serialize_data=serialize_data,
            pipeline=list(pipeline),
            test_mode=test_mode,
            lazy_init=lazy_init,
            max_refetch=max_refetch,
        )

    # ---- what users ask -------------------------------------------------------------------------------------------
    @property
    def classes(self) -> tuple:
        """Canonical class names in label order."""
        return tuple(self._metainfo.get('classes', ()))

    @property
    def metainfo(self) -> dict:
        """Meta information, with the ``protocol`` that a result is to name."""
        return dict(super().metainfo, protocol=self.protocol)

    @property
    def protocol(self) -> str:
        """One line that says which samples and which labels a result is about."""
        text = ' '.join(filter(None, (type(self).__name__, self.split)))
        if isinstance(self._indices, int):
            text += f', the {"first" if self._indices > 0 else "last"} {abs(self._indices)} samples'
        elif self._indices is not None:
            text += f', {len(self._indices)} chosen samples'
        return f'{text}, {len(self.skipped)} unreadable images left out' if self.skipped else text

    def published_counts(self) -> Optional[Union[tuple, int]]:
        """Number of samples of each class (in label order), or in all, as published for these settings; or None."""
        return self.PUBLISHED_COUNTS.get(self.split)

    @force_full_init
    def entry(self, idx: int) -> dict:
        """The list's entry of sample ``idx`` as a new dict, without what ``get_data_info`` reads or draws for it."""
        return BaseDataset.get_data_info(self, idx)

    @force_full_init
    def column(self, key: str) -> list:
        """``key`` of every entry, None where an entry has none."""
        if not self.serialize_data:
            return [entry.get(key) for entry in self.data_list]
        data, ends = memoryview(self.data_bytes), self.data_address.tolist()
        return [pickle.loads(data[start:end]).get(key) for start, end in zip([0, *ends], ends)]

    @force_full_init
    def set_entries(self, entries: Sequence, classes: Optional[Sequence] = None) -> None:
        """Replace the whole list in place by dicts such as :meth:`entry` returns, and the classes where given."""
        if classes is not None:
            self._metainfo = dict(self._metainfo, classes=tuple(classes))
        self.data_list = [{key: value for key, value in entry.items() if key != 'sample_idx'} for entry in entries]
        if self.serialize_data:
            self.data_bytes, self.data_address = self._serialize_data()

    def __repr__(self) -> str:
        size = f'{len(self)} samples' if self._fully_initialized else 'not read yet'
        return f'{type(self).__name__}(split={self.split!r}, data_root={self.data_root!r}, {size}, {self.classes})'

    # ---- what subclasses use --------------------------------------------------------------------------------------
    @property
    def img_prefix(self) -> str:
        """Folder of the images, joined with ``data_root``."""
        return self.data_prefix['img_path']

    def report(self, kind: str, text: str) -> None:
        """Note a problem found while reading the list; ``kind`` completes the sentence '3 ...', e.g. 'bad lines'."""
        self._problems.setdefault(kind, []).append(text)

    def describe_source(self) -> str:
        """What was searched for samples, for the error of an empty list."""
        searched = self.ann_file or self.img_prefix or self.data_root
        return f'{searched} (split {self.split!r})' if self.split else str(searched)

    def source_error(self, what: str, path: str, option: str) -> FileNotFoundError:
        """Error for a missing source: what is missing where, what is there, what is expected, where to get it."""
        name = type(self).__name__
        lines = [f'{name}: {what} not found: {path or "(empty path)"}']
        above = os.path.dirname(os.path.abspath(path))
        while not os.path.isdir(above):
            above = os.path.dirname(above)
        found = sorted(entry for entry in os.listdir(above) if not entry.startswith('.'))
        lines.append(f'Found in {above}: {first_names(found) if found else "nothing"}')
        lines += self._expectation()
        lines.append(
            f'Set the option `{option}` of {name}; on the command line '
            f'--cfg-options train_dataloader.dataset.{option}=VALUE (likewise val_dataloader, test_dataloader). '
            '(mmfer explain missing-data)'
        )
        return FileNotFoundError('\n'.join(lines))

    def _expectation(self) -> list:
        lines = ['Expected:', self.EXPECTED_TREE.strip('\n')] if self.EXPECTED_TREE else []
        return lines + ([f'The data set is obtained from {self.HOMEPAGE}'] if self.HOMEPAGE else [])

    def check_source(self) -> None:
        """Raise FileNotFoundError where a folder or the list does not exist."""
        folders = [('folder of the data set', self.data_root, 'data_root')]
        if self.img_prefix and os.path.normpath(self.img_prefix) != os.path.normpath(self.data_root or '.'):
            folders.append(('folder of the images', self.img_prefix, 'img_prefix'))
        ann_missing = self.ann_file and not is_remote(self.ann_file) and not os.path.isfile(self.ann_file)
        for what, path, option in folders[: 1 if ann_missing else 2]:
            wanted = self.validate or (ann_missing and self.ann_file.startswith(path))
            if path and wanted and not is_remote(path) and not os.path.isdir(path):
                raise self.source_error(what, path, option)
        if ann_missing:
            raise self.source_error('list file', self.ann_file, 'data_root')

    # ---- reading --------------------------------------------------------------------------------------------------
    def full_init(self) -> None:
        """Read and check the whole list (see the class)."""
        if self._fully_initialized:
            return
        self.check_source()
        self._problems, self.unused = {}, LeftOut()
        super().full_init()
        self.unused.log(type(self).__name__, self.describe_source())

    def _serialize_data(self) -> tuple:
        """As MMEngine's, in a quarter of the time."""
        data = serialize(self.data_list)
        self.data_list.clear()
        return data

    def parse_data_info(self, raw_data_info: dict) -> dict:
        """An entry of an annotation file with the image's path below its folder."""
        raw_data_info['img_path'] = os.path.join(self.img_prefix, raw_data_info['img_path'])
        return raw_data_info

    def load_data_list(self) -> list:
        """Read an annotation file of MMEngine's format, JSON only; subclasses override this."""
        if not self.ann_file.endswith('.json'):  # pickles and MMEngine's YAML may run code when they are read
            raise ValueError(f'{type(self).__name__}: the annotation file must be a .json file, not {self.ann_file!r}')
        try:
            content = load(self.ann_file, file_format='json')
            metainfo, own = content['metainfo'], self.classes
            named = tuple(metainfo.get('classes') or own)
            if own and named[: len(own)] != own:  # AffectNet's eight-class lists also serve seven
                raise ValueError(f'its labels are those of {", ".join(named)}, expected {", ".join(own)}')
            for key, value in metainfo.items():
                self._metainfo.setdefault(key, value)
            data_list = [self.parse_data_info(info) for info in content['data_list']]
            for info in data_list:
                if info.get('gt_score') is not None:
                    info['gt_score'] = np.asarray(info['gt_score'], dtype=np.float32)
                if info.get('votes') is not None and not votes_problem(info['votes']):  # else told with the bad labels
                    info['votes'] = np.asarray(info['votes'], dtype=np.int64)
        except (TypeError, KeyError, AttributeError, ValueError, AssertionError) as error:
            reason = f'it has no {error}' if isinstance(error, KeyError) else error
            raise ValueError(
                f'{type(self).__name__}: cannot read the annotation file {self.ann_file}: {reason}'
            ) from None
        return data_list

    def filter_data(self) -> list:
        """Called by ``full_init`` with the freshly read list: checks it."""
        self._check_list(self.data_list)
        if self.unreadable == 'skip':
            self.data_list = self._readable(self.data_list)
        if self.validate:
            self._check_classes(self.data_list)
        return self.data_list

    def _readable(self, data_list: list) -> list:
        self.skipped += find_unreadable(data_list, type(self).__name__, self.split)
        gone = set(self.skipped)
        kept = [info for info in data_list if info.get('img_path') not in gone]
        if not kept:
            raise ValueError(f'{type(self).__name__}: none of the images in {self.describe_source()} can be decoded')
        return kept

    def _check_list(self, data_list: list) -> None:
        problems = dict(self._problems)
        if not data_list and not problems:
            raise ValueError(f'{type(self).__name__}: no samples found, searched {self.describe_source()}')
        missing: list = []
        if self.validate:
            missing = missing_files([info['img_path'] for info in data_list if 'img_path' in info])
            bad = label_problems(data_list, self.num_classes)
            if missing:
                problems['image files that do not exist'] = missing
            if bad:
                problems['bad labels'] = bad
        if problems:
            read = len(data_list) + sum(map(len, self._problems.values()))
            lines = [f'{type(self).__name__}: {read} entries read from {self.describe_source()}, with problems:']
            lines += [f'  {len(texts)} {kind}: {first_names(texts)}' for kind, texts in problems.items()]
            if missing:
                lines += self._expectation() if len(missing) == len(data_list) else []
                lines.append('validate=False skips the search for image files. (mmfer explain missing-data)')
            raise (FileNotFoundError if missing else ValueError)('\n'.join(lines))

    def _check_classes(self, data_list: list) -> None:
        present = {info['gt_label'] for info in data_list if 'gt_label' in info}
        empty = [name for label, name in enumerate(self.classes) if label not in present]
        if empty:
            text = f'{type(self).__name__}: no samples of {", ".join(empty)} in {self.describe_source()}'
            if not self.allow_empty_classes:
                remedy = 'allow_empty_classes=True goes on with a warning. (mmfer explain empty-class)'
                raise ValueError(f'{text}. {remedy}')
            print_log(text, logger='current', level=logging.WARNING)
