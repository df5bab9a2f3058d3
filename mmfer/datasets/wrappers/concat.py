"""Several data sets as one, with the classes matched by name."""

from collections.abc import Sequence
from typing import Any, Optional, Union

import numpy as np
from mmengine.dataset import BaseDataset, Compose

from mmfer.registry import DATASETS
from mmfer.structures.expressions import class_key
from mmfer.utils.nesting import PLACE, leaves, own_copy, protocol_of, source

from ..base_fer_dataset import FERDataset
from .map_classes import MapClasses


def joint_classes(lists: Sequence, names: Optional[Sequence] = None) -> tuple:
    """The class list that data sets have together: the longest one, the first of these; it must have all classes.

    Args:
        lists: Class names in label order, of each data set.
        names: What the data sets are called in the error.

    Raises:
        ValueError: No list has the classes of all others.

    Examples:
        >>> joint_classes([('anger', 'fear'), ('fear', 'happy', 'anger'), ('anger', 'fear', 'happiness')])
        ('fear', 'happy', 'anger')
    """
    joint = max(lists, key=len)
    known = set(map(class_key, joint))
    if any(class_key(name) not in known for own in lists for name in own):
        rows = [f'  {name}: {", ".join(own)}' for name, own in zip(names or range(1, len(lists) + 1), lists)]
        raise ValueError(
            '\n'.join(['No data set of a ConcatDataset has the classes of all others:', *rows])
            + '\nBring them to the same ones with MapClasses, or list all with the option `classes`.'
        )
    return tuple(joint)


@DATASETS.register_module()
class ConcatDataset(FERDataset):
    """Data sets one after the other, as one data set.

    Classes are matched by name. Where the data sets have the same ones in another order, or some of them lack classes,
    all get the label order of the longest list, the first of these. Otherwise they need not agree, unlike with
    MMEngine's ``ConcatDataset``: each keeps its own pipeline and may name its people, votes or soft labels or not.

    It has entries and labels of its own, so that all wrappers go around it, and ``sample_idx`` counts through. The
    protocol names each data set. One that is to count several times is listed as often.

    Args:
        datasets: The data sets, or their configs: those of mmfer, its wrappers, or others that derive from MMEngine's
            ``BaseDataset`` and name their classes. Those that are already built are copied (without their images) and
            stay as they are.
        lazy_init: Do not read the lists before they are needed.
        ignore_keys: Taken so that configs for MMEngine's class can be used. Nothing but the classes is compared anyway.

    Raises:
        TypeError: One of ``datasets`` is something else, such as a ``RepeatDataset``.
        ValueError: There are none, one does not name its classes, or no class list has the classes of all others.

    Examples:
        >>> parts = [dict(type='SynthFER', split=split, num_samples=50) for split in ('train', 'val')]
        >>> ConcatDataset(parts).protocol
        'SynthFER train + SynthFER val'
    """

    def __init__(
        self,
        datasets: Sequence[Union[dict, BaseDataset]],
        lazy_init: bool = False,
        ignore_keys: Optional[Union[str, Sequence]] = None,
    ):
        self.datasets: list = []
        parts = [_build(each) for each in datasets]
        if not parts:
            raise ValueError('ConcatDataset: datasets is empty')
        super().__init__(
            validate=False,  # each does it by itself
            test_mode=any(leaf.test_mode for part in parts for leaf in leaves(part)),
            max_refetch=max(leaf.max_refetch for part in parts for leaf in leaves(part)),
            lazy_init=True,
        )
        self.datasets = parts
        if all(map(_classes, parts)):  # others know them once they are read
            self._match_classes()
        if not lazy_init:
            self.full_init()

    @property
    def protocol(self) -> str:
        """The protocols of the data sets."""
        return ' + '.join(map(protocol_of, self.datasets))

    @property
    def pipeline(self) -> Compose:
        """The pipeline of the first data set; to set it sets that of all."""
        return self.datasets[0].pipeline

    @pipeline.setter
    def pipeline(self, pipeline: Any) -> None:
        for part in self.datasets:
            part.pipeline = pipeline

    def published_counts(self) -> Optional[Union[tuple, int]]:
        """The published numbers of the data sets added up; None where one of them has none."""
        counts = [part.published_counts() if hasattr(part, 'published_counts') else None for part in self.datasets]
        if None in counts:
            return None
        if all(isinstance(each, (tuple, list)) for each in counts):
            return tuple(map(sum, zip(*counts)))
        return int(sum(np.sum(each) for each in counts))

    def get_data_info(self, idx: int) -> dict:
        """Sample ``idx`` before the pipeline: what its data set makes of it, with the labels of the own list."""
        own = self.entry(idx)
        which, index = own[PLACE]
        part = self.datasets[which]
        stored, info = _entry(part, index), part.get_data_info(index)
        for key in stored.keys() - own.keys():  # such as soft labels that a wrapper took away
            info.pop(key, None)
        info.update((key, value) for key, value in own.items() if not _equal(value, stored.get(key)))
        return info

    def prepare_data(self, idx: int) -> Any:
        """Sample ``idx`` after the pipeline of its data set; None where that drops it."""
        return source(self, idx)[0].pipeline(self.get_data_info(idx))

    def load_data_list(self) -> list:
        """Read the data sets and collect their entries."""
        for part in self.datasets:
            part.full_init()
        self._match_classes()
        for part in self.datasets:
            part.full_init()
        self.skipped = [name for part in self.datasets for name in getattr(part, 'skipped', ())]
        return [
            {**_entry(part, index), PLACE: (which, index)}
            for which, part in enumerate(self.datasets)
            for index in range(len(part))
        ]

    def describe_source(self) -> str:
        """The data sets."""
        return self.protocol

    def __repr__(self) -> str:
        size = f'{len(self)} samples' if self._fully_initialized else 'not read yet'
        return f'ConcatDataset({size}, {self.datasets})'

    def _match_classes(self) -> None:
        lists = [_classes(part) for part in self.datasets]
        names = list(map(protocol_of, self.datasets))
        unnamed = [name for name, own in zip(names, lists) if not own]
        if unnamed:
            raise ValueError(
                f'ConcatDataset: {", ".join(unnamed)} does not name its classes. Set metainfo=dict(classes=...)'
            )
        joint = joint_classes(lists, names)
        self.datasets = [
            part if own == joint else MapClasses(part, joint, lazy_init=True) for part, own in zip(self.datasets, lists)
        ]
        self._metainfo = dict(self._metainfo, classes=joint)


def _build(dataset: Any) -> BaseDataset:
    if isinstance(dataset, dict):
        config = dataset.copy()
        config['lazy_init'] = True  # full_init reads it
        dataset = DATASETS.build(config)
    elif isinstance(dataset, BaseDataset):
        dataset = own_copy(dataset)
    if not isinstance(dataset, BaseDataset):
        raise TypeError(
            f'ConcatDataset: {type(dataset).__name__} is no data set of mmfer or MMEngine. Put wrappers of MMEngine '
            'outside; to repeat a data set, list it several times'
        )
    return dataset


def _classes(part: BaseDataset) -> tuple:
    return tuple(part.metainfo.get('classes') or ())


def _entry(part: BaseDataset, index: int) -> dict:
    return part.entry(index) if hasattr(part, 'entry') else part.get_data_info(index)


def _equal(a: Any, b: Any) -> bool:
    return np.array_equal(a, b) if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else a == b
