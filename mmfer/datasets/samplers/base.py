"""What the samplers share: the labels of a data set, and one random list an epoch that the ranks divide."""

import math
from collections.abc import Iterator, Sized
from typing import Optional

import numpy as np
from mmengine.dataset import ClassBalancedDataset, RepeatDataset
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import ConcatDataset, Sampler, Subset

from mmfer.utils.nesting import walk

from ..arguments import check_integer


def labels_of(dataset: Sized) -> np.ndarray:
    """Labels of all samples of a data set, without loading images.

    Args:
        dataset: A data set of mmfer or mmpretrain, one of their wrappers, one of MMEngine's wrappers or a
            ``torch.utils.data.Subset`` around them, or any with ``get_gt_labels()`` or ``get_cat_ids(index)``.

    Returns:
        np.ndarray: (N,), int64.

    Raises:
        TypeError: The data set does not tell its labels.
        ValueError: A sample has several labels or none.
    """
    if hasattr(dataset, 'full_init'):
        dataset.full_init()
    if isinstance(dataset, ConcatDataset):
        return np.concatenate([labels_of(part) for part in dataset.datasets])
    if isinstance(dataset, RepeatDataset):
        return np.tile(labels_of(dataset.dataset), dataset.times)
    if isinstance(dataset, ClassBalancedDataset):
        return labels_of(dataset.dataset)[np.asarray(dataset.repeat_indices, dtype=np.int64)]
    if isinstance(dataset, Subset):
        return labels_of(dataset.dataset)[np.asarray(dataset.indices, dtype=np.int64)]
    if hasattr(dataset, 'get_gt_labels'):
        labels = np.asarray(dataset.get_gt_labels())
    elif hasattr(dataset, 'get_cat_ids'):
        ids = [dataset.get_cat_ids(i) for i in range(len(dataset))]
        several = sum(len(one) != 1 for one in ids)
        if several:
            raise ValueError(f'{several} samples of {type(dataset).__name__} do not have exactly one label')
        labels = np.array([one[0] for one in ids])
    else:
        raise TypeError(
            f'{type(dataset).__name__} does not tell its labels: a sampler of classes needs a data set with '
            'get_gt_labels() or get_cat_ids(index)'
        )
    if labels.shape != (len(dataset),) or not (labels.size == 0 or np.issubdtype(labels.dtype, np.integer)):
        raise ValueError(f'{type(dataset).__name__} has no integer label for each of its {len(dataset)} samples')
    return labels.astype(np.int64)


class ClassSampler(Sampler):
    """Base class of the samplers that draw by class.

    The list of an epoch follows from (seed, epoch) alone. Every rank draws the whole list and takes its own part of it
    (rank, rank + world_size, ...); the first few samples are repeated, so that the list divides by the number of ranks.
    So training goes on as before after a resume. MMEngine's ``DistSamplerSeedHook``,
    which a Runner always has, tells the epoch.

    A subclass calls :meth:`set_total` and implements :meth:`draw`, which returns so many indices.

    Args:
        dataset: The data set; see :func:`labels_of`.
        seed: Equal on all ranks; the Runner gives its own. By default a random one that the ranks agree upon.

    Attributes:
        members (list): For each class the indices of its samples, int64.

    Raises:
        ValueError: The data set is empty or has no samples of a class, or the seed is negative.
    """

    def __init__(self, dataset: Sized, seed: Optional[int] = None) -> None:
        self.rank, self.world_size = get_dist_info()
        self.dataset = dataset
        seed = sync_random_seed() if seed is None else seed
        self.seed = check_integer(self, 'seed', seed, 0)
        self.epoch = 0
        self.members = self._group(labels_of(dataset))
        self.set_total(len(dataset))

    def set_total(self, total: int) -> None:
        """Set the number of samples an epoch, all ranks together."""
        self.total = total
        self.num_samples = math.ceil(total / self.world_size)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Indices of the samples of an epoch, in the order in which they are used, int64 (total,)."""
        raise NotImplementedError(f'{type(self).__name__} must implement draw()')

    def __iter__(self) -> Iterator:
        """Indices of this rank in this epoch."""
        indices = self.draw(np.random.default_rng([self.seed, self.epoch]))
        indices = np.resize(indices, self.num_samples * self.world_size)  # repeats the first ones
        return iter(indices[self.rank :: self.world_size].tolist())

    def __len__(self) -> int:
        """Number of samples of this rank in an epoch."""
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next."""
        self.epoch = epoch

    def _group(self, labels: np.ndarray) -> list:
        name = type(self).__name__
        if not len(labels):
            raise ValueError(f'{name}: the data set is empty')
        # the first that names them: PyTorch's Subset does not
        named = (getattr(each, 'metainfo', {}).get('classes') for each in walk(self.dataset))
        classes = next(filter(None, named), range(int(labels.max()) + 1))
        if labels.min() < 0 or labels.max() >= len(classes):
            raise ValueError(f'{name}: labels {labels.min()}..{labels.max()} do not fit {len(classes)} classes')
        members = [np.flatnonzero(labels == label) for label in range(len(classes))]
        empty = [str(classes[label]) for label, indices in enumerate(members) if not len(indices)]
        if empty:
            raise ValueError(f'{name}: the data set has no samples of {", ".join(empty)}, so none can be drawn')
        return members
