"""Random numbers that follow from where a training is, so that nothing about them has to be saved.

Every sample is loaded, and every iteration computed, with generators seeded by (seed, place). So the number of workers
does not matter, and a training that continues anywhere goes on as if it had never stopped.
"""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Iterator, Sized
from itertools import chain, islice
from numbers import Integral
from typing import Any

import numpy as np
import torch
from mmengine.dataset import InfiniteSampler
from torch.utils.data import DataLoader, IterableDataset, Sampler

from .worker_watch import WorkerWatch

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


class SeededSampler(Sampler):
    """A sampler, or batch sampler, whose indices carry seeds mixed from (seed, epoch, rank, position in the epoch).

    One that draws from the global generators, as those of torch do, is seeded for the epoch and draws all of it before
    others use them.

    Args:
        inner: The sampler; its own attributes can be had from this one.
        seed: The seed of the run, the same on all ranks.
        rank: The rank of this process.

    Attributes:
        first (int): So many items (indices, or batches of them) of the epoch are left out at its beginning; the
            positions of the others do not change.
    """

    def __init__(self, inner: Any, seed: int, rank: int = 0) -> None:
        self.inner = inner
        self.seed = seed
        self.rank = rank
        self.epoch = 0
        self.first = 0

    @property
    def sampler(self) -> SeededSampler:
        """This sampler: MMEngine's DistSamplerSeedHook sets the epoch of ``batch_sampler.sampler``."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next, also to the samplers inside."""
        self.epoch = epoch
        for sampler in (self.inner, getattr(self.inner, 'sampler', None)):
            if hasattr(sampler, 'set_epoch'):
                sampler.set_epoch(epoch)

    def __iter__(self) -> Iterator:
        epoch, first = self.epoch, self.first
        seed_generators(mix(SAMPLER, self.seed, epoch, self.rank))
        drawn = iter(self.inner)
        size = len(self) if isinstance(self.inner, Sized) else 0
        position = 0
        for number, item in enumerate(chain(list(islice(drawn, size + 1)), drawn)):
            batch = item if isinstance(item, (list, tuple)) else [item]
            if number >= first:
                seeded = [self._seeded(index, epoch, position + i) for i, index in enumerate(batch)]
                yield seeded if batch is item else seeded[0]
            position += len(batch)

    def _seeded(self, index: Any, epoch: int, position: int) -> SeededIndex:
        if not isinstance(index, Integral):
            raise TypeError(
                f'{type(self.inner).__name__} yields {index!r}; a sampler must yield integers, a batch sampler lists '
                'of integers'
            )
        return SeededIndex(index, mix(SAMPLE, self.seed, epoch, self.rank, position))

    def __len__(self) -> int:
        return len(self.inner)

    def __getattr__(self, name: str) -> Any:
        if name == 'inner' or name.startswith('__'):
            raise AttributeError(name)
        return getattr(self.inner, name)


class SeededDataset:
    """A data set that seeds python, numpy and torch by the index before it loads a sample; else it is the one inside.

    Args:
        dataset: Any data set with ``__getitem__`` and ``__len__``.
        watch: Knows what the workers are at; a new one by default.
    """

    def __init__(self, dataset: Any, watch: WorkerWatch | None = None) -> None:
        self.dataset = dataset
        self.watch = WorkerWatch(dataset) if watch is None else watch

    @property
    def __class__(self) -> type:  # for isinstance(); hooks and samplers ask which kind of data set they have
        return type(self.dataset)

    def __getitem__(self, index: int) -> Any:
        if isinstance(index, SeededIndex):
            seed_generators(index.seed)
            index = int(index)
        with self.watch.sample(index):
            return self.dataset[index]

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        if name in ('dataset', 'watch') or name.startswith('__'):  # not its __getitems__, which would go past the seeds
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __reduce__(self) -> tuple:
        return SeededDataset, (self.dataset, self.watch)

    def __repr__(self) -> str:
        return repr(self.dataset)


def seeded_loader(loader: DataLoader, seed: int, rank: int = 0) -> DataLoader:
    """``loader`` with seeded samples; unchanged where its data set is iterable, or it is of a class of its own."""
    seeded = type(loader.dataset) is SeededDataset
    if seeded or type(loader) is not DataLoader or isinstance(loader.dataset, IterableDataset):
        return loader
    options = dict(
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        generator=loader.generator,
        prefetch_factor=loader.prefetch_factor,
        persistent_workers=loader.persistent_workers,
        pin_memory_device=loader.pin_memory_device,
    )
    if not getattr(loader, 'in_order', True):
        raise ValueError('in_order=False lets the batches come in an order that depends on the machine: leave it out')
    if loader.batch_size is None and loader.batch_sampler is not None:
        options['batch_sampler'] = SeededSampler(loader.batch_sampler, seed, rank)
    else:
        sampler = SeededSampler(loader.sampler, seed, rank)
        options.update(sampler=sampler, batch_size=loader.batch_size, drop_last=loader.drop_last)
    return DataLoader(SeededDataset(loader.dataset), **options)


def _sampler(loader: DataLoader) -> SeededSampler | None:
    samplers = (loader.sampler, loader.batch_sampler)
    return next((sampler for sampler in samplers if isinstance(sampler, SeededSampler)), None)


def is_endless(loader: DataLoader) -> bool:
    """Whether the sampler never ends, so that all of a training is one epoch."""
    sampler = _sampler(loader)
    inner = sampler.inner if sampler is not None else loader.sampler
    return isinstance(inner, InfiniteSampler) or isinstance(getattr(inner, 'sampler', None), InfiniteSampler)


def start_at(loader: DataLoader, epoch: int, batch: int = 0) -> None:
    """Let the next iteration over ``loader`` begin with the given batch of the given epoch.

    Raises:
        ValueError: If the loader cannot leave out batches without loading them.
    """
    sampler = _sampler(loader)
    if sampler is not None:
        sampler.set_epoch(epoch)
        batches = sampler is loader.batch_sampler
        sampler.first = batch * (1 if batches else loader.batch_size or 1)
    elif batch:
        raise ValueError(
            f'the training cannot continue within an epoch: {type(loader).__name__} over '
            f'{type(loader.dataset).__name__} does not tell where it is. Continue from the end of an epoch.'
        )
    elif hasattr(loader.sampler, 'set_epoch'):
        loader.sampler.set_epoch(epoch)
