"""Random numbers that follow from where a training is, so that nothing about them has to be saved.

Every sample is loaded, and every iteration computed, with generators seeded by (seed, place). So the number of workers
does not matter, and a training that continues anywhere goes on as if it had never stopped.
"""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Iterator, Mapping, Sized
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Sampler

from mmfer.registry import DATA_SAMPLERS, DATASETS

from ..workers import named_errors, protect_worker

# What a seed is for; the first of the numbers that are mixed.
SAMPLER, SAMPLE, TRAIN, VAL, TEST, INIT = range(6)


def mix(*numbers: int) -> int:
    """A hash of integers, 64 bits."""
    packed = struct.pack(f'<{len(numbers)}q', *numbers)
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), 'little')


def seed_generators(seed: int) -> None:
    """Seed python, numpy and torch on the CPU with 64 bits."""
    random.seed(seed)
    # Both are Mersenne twisters and take 32 bits: with the same ones they would draw the same numbers.
    np.random.seed(seed >> 32)
    torch.default_generator.manual_seed(seed & 0xFFFFFFFF)


def seed_process(seed: int) -> None:
    """Seed the generators of the devices, too."""
    seed_generators(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(seed)


class SeededIndex(int):
    """The index of a sample, with the seed that it is to be loaded with."""

    seed: int

    def __new__(cls, index: int, seed: int) -> SeededIndex:
        self = super().__new__(cls, index)
        self.seed = seed
        return self

    def __reduce__(self) -> tuple:
        return SeededIndex, (int(self), self.seed)


@DATA_SAMPLERS.register_module()
class SeededSampler(Sampler):
    """A sampler whose indices carry seeds mixed from (seed, epoch, rank, position in the epoch).

    One that draws from the global generators, as those of torch do, is seeded for the epoch and draws all of it before
    others use them.

    Args:
        dataset: The data set, as MMEngine passes it to a sampler.
        sampler: The sampler inside, or its config.
        base_seed: The seed of the run, the same on all ranks.
        rank: The rank of this process.
        seed: MMEngine's, not used: it may differ from rank to rank.

    Attributes:
        first (int): So many indices of the epoch are left out at its beginning; the positions of the others do not
            change.
    """

    def __init__(self, dataset: Any, sampler: Any, base_seed: int = 0, rank: int = 0, seed: int | None = None) -> None:
        dataset = dataset.dataset if isinstance(dataset, SeededDataset) else dataset
        shared = dict(dataset=dataset, seed=mix(base_seed) >> 33)
        self.inner = DATA_SAMPLERS.build(sampler, default_args=shared) if isinstance(sampler, Mapping) else sampler
        self.base_seed = base_seed
        self.rank = rank
        self.epoch = 0
        self.first = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next, also to the sampler inside."""
        self.epoch = epoch
        if hasattr(self.inner, 'set_epoch'):
            self.inner.set_epoch(epoch)

    def __iter__(self) -> Iterator[SeededIndex]:
        epoch, first = self.epoch, self.first
        seed_generators(mix(SAMPLER, self.base_seed, epoch, self.rank))
        drawn = iter(self.inner)
        size = len(self) if isinstance(self.inner, Sized) else 0
        for position, index in enumerate(chain(list(islice(drawn, size + 1)), drawn)):
            if position >= first:
                yield SeededIndex(index, mix(SAMPLE, self.base_seed, epoch, self.rank, position))

    def __len__(self) -> int:
        return len(self.inner)


@DATASETS.register_module()
class SeededDataset:
    """A data set that seeds python, numpy and torch by the index before it loads a sample.

    Errors name the sample, and its workers finish what they are at when the run is asked to stop.

    Args:
        dataset: The data set inside, or its config.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, Mapping) else dataset
        if hasattr(self.dataset, 'full_init'):
            self.dataset.full_init()

    @property
    def metainfo(self) -> dict:
        """That of the data set inside."""
        return getattr(self.dataset, 'metainfo', None) or {}

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        protect_worker()
        if isinstance(index, SeededIndex):
            seed_generators(index.seed)
        with named_errors(self.dataset, int(index)):
            return self.dataset[int(index)]


def base_seed_of(runner: Any) -> int:
    """The seed of a run, the same on all processes."""
    return runner.seed - runner.rank if runner._randomness_cfg.get('diff_rank_seed', False) else runner.seed


def seeded_dataloader(dataloader: DataLoader | dict, base_seed: int, rank: int = 0) -> DataLoader | dict:
    """The config of a data loader with its data set in a SeededDataset and its sampler in a SeededSampler.

    A data loader that is already built, and one without a sampler, such as that of a stream, stay as they are.
    """
    if not isinstance(dataloader, Mapping) or not isinstance(dataloader.get('sampler'), Mapping):
        return dataloader
    seeded = dict(dataloader)
    seeded['dataset'] = dict(type=SeededDataset, dataset=dataloader['dataset'])
    seeded['sampler'] = dict(type=SeededSampler, sampler=dataloader['sampler'], base_seed=base_seed, rank=rank)
    if not torch.cuda.is_available():
        seeded['pin_memory'] = False  # PyTorch would do the same, with a warning
    return seeded


def data_of(loader: DataLoader) -> Any:
    """The data set of a loader, without the SeededDataset around it."""
    return loader.dataset.dataset if isinstance(loader.dataset, SeededDataset) else loader.dataset


def _sampler(loader: DataLoader) -> Any:
    return getattr(loader.batch_sampler, 'sampler', loader.sampler)


def start_at(loader: DataLoader, epoch: int, batch: int = 0) -> None:
    """Let the next iteration over ``loader`` begin with the given batch of the given epoch.

    Raises:
        ValueError: If the loader cannot leave out batches without loading them.
    """
    sampler = _sampler(loader)
    if hasattr(sampler, 'set_epoch'):
        sampler.set_epoch(epoch)
    if isinstance(sampler, SeededSampler) and type(loader.batch_sampler) is BatchSampler:
        sampler.first = batch * loader.batch_sampler.batch_size
    elif batch:
        raise ValueError(
            f'the training cannot continue within an epoch: {type(loader).__name__} over '
            f'{type(loader.dataset).__name__} does not tell where it is. Continue from the end of an epoch.'
        )
