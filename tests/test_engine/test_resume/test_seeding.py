import pickle
import random

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, pseudo_collate
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler, SubsetRandomSampler
from torch.utils.data import WeightedRandomSampler as Weighted

from mmfer.datasets import SynthFER
from mmfer.datasets.samplers import BalancedSampler
from mmfer.engine.resume.seeding import (
    SeededDataset,
    SeededIndex,
    SeededSampler,
    data_of,
    mix,
    seed_generators,
    seeded_dataloader,
    start_at,
)


class Draws:
    """A data set whose samples are what its three random generators give."""

    metainfo = dict(classes=('a', 'b'))

    def __len__(self):
        return 10

    def __getitem__(self, index):
        assert type(index) is int
        return index, random.random(), np.random.rand(), torch.rand(()).item()

    def __getitems__(self, indices):
        raise AssertionError('this way goes past the seeds')

    def get_gt_labels(self):
        return np.arange(10) % 2


SAMPLERS = dict(
    default=lambda data: DefaultSampler(data, seed=3),
    balanced=lambda data: BalancedSampler(data, num_per_class=5, seed=3),
    random=RandomSampler,
    replaced=lambda data: RandomSampler(data, replacement=True, num_samples=70),
    subset=lambda data: SubsetRandomSampler(range(0, 10, 2)),
    weighted=lambda data: Weighted([1.0] * 5 + [3.0] * 5, 9),
)


def loader(sampler='default', workers=0, persistent=False, batched=False, seed=0, rank=0):
    data = Draws()
    options = dict(num_workers=workers, persistent_workers=persistent, collate_fn=list)
    sampler = SeededSampler(data, SAMPLERS[sampler](data), seed, rank)
    if batched:
        options['batch_sampler'] = BatchSampler(sampler, 3, drop_last=False)
    else:
        options.update(sampler=sampler, batch_size=3)
    return DataLoader(SeededDataset(data), **options)


def epochs(data, number=2):
    out = []
    for epoch in range(number):
        start_at(data, epoch)
        torch.rand(1)  # what others draw does not matter
        out.append(list(data))
    return out


@pytest.mark.parametrize('sampler', list(SAMPLERS))
def test_every_sampler_gives_the_same_epochs_again(sampler):
    first = epochs(loader(sampler))
    assert first == epochs(loader(sampler)) == epochs(loader(sampler, batched=True))
    assert first[0] != first[1]
    start = loader(sampler)
    start_at(start, 1, batch=1)
    assert list(start) == first[1][1:]
    start_at(start, 0)
    assert list(start) == first[0]


@pytest.mark.parametrize('workers', [1, 2])
@pytest.mark.parametrize('persistent', [False, True])
def test_workers_do_not_matter(workers, persistent):
    data = loader('random', workers, persistent)
    first = epochs(loader('random'))
    assert epochs(data) == first
    start_at(data, 1, batch=2)
    assert list(data) == first[1][2:]


def test_seeds_ranks_epochs_and_generators_differ():
    def numbers(**options):
        return [value for batch in epochs(loader(**options))[0] for sample in batch for value in sample[1:]]

    runs = [numbers(), numbers(seed=1), numbers(rank=1)]
    runs.append([value for batch in epochs(loader())[1] for sample in batch for value in sample[1:]])
    values = [round(value, 6) for run in runs for value in run]
    assert len(set(values)) == len(values)


def test_numpy_and_torch_are_not_seeded_alike():
    seed_generators(mix(1, 2))
    words = torch.randint(2**32, (1,)).item(), int(np.random.randint(2**32, dtype=np.uint64))
    assert words[0] != words[1]
    seed_generators(mix(1, 2))
    assert random.random() != np.random.rand()


@pytest.mark.parametrize('batched', [False, True])
def test_sampler_is_told_the_epoch_by_mmengine_hook(batched):
    data = loader(batched=batched)
    sampler = data.batch_sampler.sampler
    sampler.set_epoch(4)  # as DistSamplerSeedHook does
    assert sampler.epoch == sampler.inner.epoch == 4
    assert len(data) == 4


def test_index_survives_the_way_to_a_worker():
    index = pickle.loads(pickle.dumps(SeededIndex(5, 2**63 + 1)))
    assert (index, index.seed, type(index)) == (5, 2**63 + 1, SeededIndex)


def test_data_set_shows_what_is_inside():
    inner = SynthFER(num_samples=20, size=32)
    data = SeededDataset(inner)
    assert type(data) is SeededDataset
    assert not isinstance(data, SynthFER)
    assert (len(data), data.metainfo, data.dataset) == (20, inner.metainfo, inner)
    assert (data[SeededIndex(4, 1)]['img'] == inner[4]['img']).all()
    assert SeededDataset([1, 2]).metainfo == {}


def test_a_sample_that_cannot_be_loaded_is_named():
    class Broken(Draws):
        def __getitem__(self, index):
            raise KeyError('label')

    with pytest.raises(RuntimeError, match=r"sample 2 could not be loaded: KeyError: 'label'"):
        SeededDataset(Broken())[SeededIndex(2, 0)]


def test_streams_and_built_loaders_are_left_alone():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(range(4))

    stream = DataLoader(Stream())
    for given in (stream, dict(dataset=Stream(), sampler=None)):
        assert seeded_dataloader(given, 0) is given
    start_at(stream, 1)
    with pytest.raises(ValueError, match='Stream does not tell where it is'):
        start_at(stream, 1, batch=2)
    assert data_of(stream) is stream.dataset


@pytest.mark.parametrize('sampler', [dict(type='DefaultSampler'), dict(type='BalancedSampler', num_per_class=3)])
def test_mmengine_builds_it_from_the_config(sampler):
    config = dict(
        dataset=dict(type='SynthFER', split='train', num_samples=56, size=32),
        sampler=sampler,
        collate_fn=dict(type=pseudo_collate),
        batch_size=4,
        num_workers=0,
        pin_memory=True,
    )
    before = dict(config)
    with DefaultScope.overwrite_default_scope('mmfer'):
        one, two, other = (Runner.build_dataloader(seeded_dataloader(config, seed)) for seed in (5, 5, 6))
        shared = Runner.build_dataloader(seeded_dataloader(config, 5), seed=8, diff_rank_seed=True)
    assert config == before
    assert list(one.sampler) == list(two.sampler) == list(shared.sampler) != list(other.sampler)
    assert type(one.sampler.inner).__name__ == sampler['type']
    assert type(data_of(one)) is SynthFER
    assert one.pin_memory is torch.cuda.is_available()
