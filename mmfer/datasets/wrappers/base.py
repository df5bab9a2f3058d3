"""The base of data set wrappers: a data set that is another one with samples left out or labels changed."""

from collections.abc import Mapping, Sequence
from typing import Any, Callable, Optional, Union

import numpy as np
from mmengine.dataset import BaseDataset, Compose, force_full_init
from mmengine.registry import DefaultScope

from mmfer.registry import DATASETS
from mmfer.utils.nesting import own_copy

from ..base_fer_dataset import LabelledDataset


def shuffled(rng: np.random.Generator, indices: Sequence) -> np.ndarray:
    """``indices`` in random order."""
    indices = np.asarray(indices, dtype=np.int64)
    return indices[np.argsort(rng.random(len(indices)), kind='stable')]


def is_own(settings: Mapping) -> bool:
    """Whether the config of a data set is one of mmfer's data sets or wrappers."""
    kind = settings.get('type')
    if isinstance(kind, str):
        with DefaultScope.overwrite_default_scope('mmfer'):
            kind = DATASETS.get(kind)
    return isinstance(kind, type) and issubclass(kind, LabelledDataset)


class DatasetWrapper(LabelledDataset):
    """Base class of the wrappers, which change which samples a data set has or how they are labelled.

    A wrapper is used like the data set inside: it has its pipeline, classes, entries and labels, goes into data
    loaders, samplers and MMEngine's wrappers, and into further wrappers, so that for example ten samples a class can be
    taken of a fold and then given noisy labels. ``metainfo['protocol']`` names all of that.

    A subclass stores its options, calls this constructor, and implements :meth:`apply`, which changes ``self.dataset``
    in place with :meth:`select` or ``self.dataset.relabel``, and :meth:`describe`.

    Args:
        dataset: The data set, or its config. One that is already built is copied (without its images) and stays as it
            is.
        lazy_init: Do not read the list before it is needed.

    Raises:
        TypeError: ``dataset`` is something else, such as a ``RepeatDataset``.
    """

    def __init__(self, dataset: Union[dict, BaseDataset], lazy_init: bool = False):
        if isinstance(dataset, dict):
            config = dataset.copy()
            config['lazy_init'] = True  # full_init below, so that it is read only once and only when needed
            dataset = DATASETS.build(config)
        elif isinstance(dataset, LabelledDataset):
            dataset = own_copy(dataset)
        if not isinstance(dataset, LabelledDataset):
            raise TypeError(
                f'{type(self).__name__}: dataset must be a data set of mmfer or its config, not '
                f'{type(dataset).__name__}. Join data sets with mmfer.datasets.ConcatDataset; put other wrappers of '
                'MMEngine outside'
            )
        self.dataset = dataset
        self._fully_initialized = False
        if not lazy_init:
            self.full_init()

    # ---- what subclasses implement --------------------------------------------------------------------------------
    def apply(self) -> None:
        """Change ``self.dataset``, which is initialised and owned by this wrapper, in place."""
        raise NotImplementedError(f'{type(self).__name__} must implement apply()')

    def describe(self) -> str:
        """What this wrapper does, in a few words for the protocol."""
        raise NotImplementedError(f'{type(self).__name__} must implement describe()')

    def select(self, indices: Sequence) -> None:
        """Keep the samples ``indices`` of ``self.dataset``, in that order."""
        self.dataset.get_subset_([int(i) for i in indices])

    # ---- what users ask -------------------------------------------------------------------------------------------
    def full_init(self) -> None:
        """Read the data set and apply what this wrapper does."""
        if not self._fully_initialized:
            self.dataset.full_init()
            self.apply()
            self._fully_initialized = True

    @property
    def classes(self) -> tuple:
        """Canonical class names in label order."""
        return self.dataset.classes

    @property
    def metainfo(self) -> dict:
        """Meta information of the data set, with the ``protocol`` of this wrapper."""
        return dict(self.dataset.metainfo, protocol=self.protocol)

    @property
    def protocol(self) -> str:
        """One line: the protocol of the data set inside, and what this wrapper does to it."""
        inner = self.dataset.protocol
        if hasattr(self.dataset, 'datasets'):
            inner = f'({inner})'  # else it reads as if this were done to the last of them
        return f'{inner}, {self.describe()}'

    @property
    def pipeline(self) -> Compose:
        """The pipeline of the data set inside."""
        return self.dataset.pipeline

    @pipeline.setter
    def pipeline(self, pipeline: Callable) -> None:
        self.dataset.pipeline = pipeline

    @property
    def skipped(self) -> list:
        """Images that the data set inside left out as unreadable."""
        return self.dataset.skipped

    def published_counts(self) -> Optional[Union[tuple, int]]:
        """Published number of samples; None, as there is none for a changed data set (unless a subclass knows)."""
        return None

    @force_full_init
    def entry(self, idx: int) -> dict:
        """The list's entry of sample ``idx`` as a new dict."""
        return self.dataset.entry(idx)

    @force_full_init
    def column(self, key: str) -> list:
        """``key`` of every entry, None where an entry has none."""
        return self.dataset.column(key)

    @force_full_init
    def get_data_info(self, idx: int) -> dict:
        """Sample ``idx`` before the pipeline."""
        return self.dataset.get_data_info(idx)

    @force_full_init
    def set_entries(self, entries: Sequence, classes: Optional[Sequence] = None) -> None:
        """Replace the list in place (see ``FERDataset.set_entries``)."""
        self.dataset.set_entries(entries, classes)

    @force_full_init
    def get_subset_(self, indices: Union[int, Sequence]) -> None:
        """Keep only some samples (see MMEngine's ``BaseDataset.get_subset_``)."""
        self.dataset.get_subset_(indices)

    @force_full_init
    def prepare_data(self, idx: int) -> Any:
        """Sample ``idx`` after the pipeline; None where the pipeline drops it."""
        return self.dataset.prepare_data(idx)

    @force_full_init
    def __getitem__(self, idx: int) -> Any:
        return self.dataset[idx]

    @force_full_init
    def __len__(self) -> int:
        return len(self.dataset)

    def __repr__(self) -> str:
        size = f'{len(self)} samples' if self._fully_initialized else 'not read yet'
        return f'{type(self).__name__}({self.describe()}, {size}, {self.dataset!r})'
