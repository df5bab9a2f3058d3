import numpy as np
import pytest
from mmengine.runner import Runner

from mmfer.datasets import SynthFER
from mmfer.datasets.samplers import BalancedSampler
from mmfer.datasets.wrappers import FewPerClass
from mmfer.registry import DATA_SAMPLERS


@pytest.fixture(scope='module')
def synth():
    return SynthFER(num_samples=300, size=16)


def drawn(sampler, epoch=0):
    sampler.set_epoch(epoch)
    return list(sampler)


def test_so_many_of_every_class(synth):
    sampler = DATA_SAMPLERS.build(dict(type='BalancedSampler', dataset=synth, num_per_class=20, seed=0))
    indices = drawn(sampler)
    labels = synth.get_gt_labels()
    assert len(indices) == len(sampler) == 140
    assert np.bincount(labels[indices]).tolist() == [20] * 7
    assert len(np.unique(np.diff(labels[indices]))) > 2  # not class by class


def test_replacement_only_where_a_class_has_fewer(synth):
    labels = synth.get_gt_labels()
    counts = np.bincount(labels)
    number = int(np.median(counts))
    assert counts.min() < number < counts.max()
    indices = np.array(drawn(BalancedSampler(synth, number, seed=0)))
    assert np.bincount(labels[indices]).tolist() == [number] * 7
    for label, count in enumerate(counts):
        different = len(np.unique(indices[labels[indices] == label]))
        assert different == number if count >= number else different <= count


def test_drawn_anew_each_epoch(synth):
    sampler = BalancedSampler(synth, 10, seed=3)
    first, second = drawn(sampler, 0), drawn(sampler, 1)
    assert set(first) != set(second)
    seen = set().union(*(drawn(sampler, epoch) for epoch in range(60)))
    assert len(seen) == 300  # in the long run every sample


def test_follows_from_seed_and_epoch_alone(synth):
    sampler = BalancedSampler(synth, 10, seed=3)
    assert list(sampler) == list(sampler)
    np.random.seed(1)
    resumed = BalancedSampler(synth, 10, seed=3)
    assert drawn(resumed, 5) == drawn(sampler, 5)
    assert drawn(BalancedSampler(synth, 10, seed=4), 5) != drawn(sampler, 5)
    assert drawn(BalancedSampler(synth, 10, seed=4), 4) != drawn(sampler, 5)  # no seed + epoch


def test_in_the_runners_data_loader():
    loader = Runner.build_dataloader(
        dict(
            dataset=FewPerClass(dict(type='SynthFER', num_samples=300, size=16), 4),
            sampler=dict(type='BalancedSampler', num_per_class=6, _scope_='mmfer'),
            batch_size=7,
            num_workers=0,
            collate_fn=dict(type='pseudo_collate'),
        ),
        seed=9,
    )
    assert len(loader) == 6
    assert loader.sampler.seed == 9
    counts = np.bincount([int(label) for batch in loader for label in batch['gt_label']])
    assert counts.tolist() == [6] * 7


@pytest.mark.parametrize('number', [0, -1, 2.5, True])
def test_wrong_arguments(synth, number):
    with pytest.raises(ValueError, match=f'BalancedSampler: num_per_class={number!r} must be an integer, 1 or more'):
        BalancedSampler(synth, number)
