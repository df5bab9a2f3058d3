import copy
import pickle
import random

import numpy as np
import pytest
import torch
from mmengine.dataset import ConcatDataset, DefaultSampler, InfiniteSampler
from mmfer.engine.seeding import (
    SeededDataset,
    SeededIndex,
    SeededSampler,
    is_endless,
    mix,
    seed_generators,
    seeded_loader,
    start_at,
)
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler, SubsetRandomSampler
from torch.utils.data import WeightedRandomSampler as Weighted

from mmfer.datasets import SynthFER
from mmfer.datasets.samplers import BalancedSampler, labels_of
from mmfer.engine import FERRunner


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
    sampler = SAMPLERS[sampler](data)
    if batched:
        options['batch_sampler'] = BatchSampler(sampler, 3, drop_last=False)
    else:
        options.update(sampler=sampler, batch_size=3)
    return seeded_loader(DataLoader(data, **options), seed, rank)


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


def test_batch_sampler_is_told_the_epoch_by_mmengine_hook():
    data = loader(batched=True)
    data.batch_sampler.sampler.set_epoch(4)  # as DistSamplerSeedHook does
    assert data.batch_sampler.epoch == data.batch_sampler.inner.sampler.epoch == 4
    data = loader()
    data.sampler.set_epoch(5)
    assert data.sampler.epoch == data.sampler.inner.epoch == 5
    assert data.sampler.seed == 0
    assert data.batch_size == 3
    assert len(data) == 4


def test_a_custom_batch_sampler_may_set_epochs():
    class Own(BatchSampler):
        epoch = None

        def set_epoch(self, epoch):
            self.epoch = epoch

    batches = Own(DefaultSampler(Draws(), seed=0), 2, False)
    sampler = SeededSampler(batches, seed=0)
    sampler.set_epoch(7)
    assert batches.epoch == batches.sampler.epoch == 7
    assert sampler.batch_size == 2


def test_endless_sampler_continues():
    def make():
        data = Draws()
        return seeded_loader(DataLoader(data, batch_size=4, sampler=InfiniteSampler(data, seed=0), collate_fn=list), 0)

    def take(data, number):
        return [batch for batch, _ in zip(data, range(number))]

    assert is_endless(make())
    assert not is_endless(loader())
    first, later = take(make(), 9), make()
    start_at(later, 0, batch=5)
    assert take(later, 4) == first[5:]


def test_indices_must_be_integers():
    sampler = SeededSampler(['a', 'b'], seed=0)
    with pytest.raises(TypeError, match="list yields 'a'"):
        list(sampler)


def test_index_survives_the_way_to_a_worker():
    index = pickle.loads(pickle.dumps(SeededIndex(5, 2**63 + 1)))
    assert (index, index.seed, type(index)) == (5, 2**63 + 1, SeededIndex)


def test_data_set_is_the_one_inside_but_for_the_seeds():
    inner = SynthFER(num_samples=20, size=32)
    data = SeededDataset(inner)
    assert isinstance(data, SynthFER)
    assert (len(data), data.metainfo, repr(data)) == (20, inner.metainfo, repr(inner))
    assert data.get_cat_ids(3) == inner.get_cat_ids(3)
    assert (data.get_gt_labels() == labels_of(data)).all()
    data.full_init()
    for same in (pickle.loads(pickle.dumps(data)), copy.deepcopy(data), copy.copy(data)):
        assert type(same) is SeededDataset
        assert (same[SeededIndex(4, 1)]['img'] == inner[4]['img']).all()
    with pytest.raises(AttributeError):
        data.nothing  # noqa: B018
    both = SeededDataset(ConcatDataset([inner, SynthFER(num_samples=20, size=32)]))
    assert len(labels_of(both)) == 40


def test_a_sample_that_cannot_be_loaded_is_named():
    class Broken(Draws):
        def __getitem__(self, index):
            raise KeyError('label')

    with pytest.raises(RuntimeError, match=r"sample 2 could not be loaded: KeyError: 'label'"):
        SeededDataset(Broken())[SeededIndex(2, 0)]


def test_loaders_of_other_kinds_are_left_alone():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(range(4))

    class Own(DataLoader):
        pass

    stream = DataLoader(Stream())
    assert seeded_loader(stream, 0) is stream
    start_at(stream, 1)
    with pytest.raises(ValueError, match='Stream does not tell where it is'):
        start_at(stream, 1, batch=2)
    own = Own(Draws())
    assert seeded_loader(own, 0) is own


def test_order_of_batches_must_not_depend_on_the_machine():
    data = DataLoader(Draws())
    if not hasattr(data, 'in_order'):
        pytest.skip('this PyTorch always keeps the order')
    data.in_order = False
    with pytest.raises(ValueError, match='in_order=False'):
        seeded_loader(data, 0)


def test_runner_builds_seeded_loaders():
    config = dict(
        dataset=dict(type='SynthFER', split='train', num_samples=8, size=32),
        sampler=dict(type='DefaultSampler', shuffle=True),
        batch_size=4,
        num_workers=0,
    )
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope('mmfer'):
        torch.manual_seed(1)
        np.random.seed(1)
        one = FERRunner.build_dataloader(config, seed=5)
        np.random.seed(2)
        two = FERRunner.build_dataloader(config, seed=5, diff_rank_seed=True)
        other = FERRunner.build_dataloader(config, seed=6)
        plain = FERRunner.build_dataloader(config)
    assert list(one.sampler) == list(two.sampler) != list(other.sampler)
    assert type(one.dataset) is SeededDataset
    assert type(plain.dataset) is SynthFER
