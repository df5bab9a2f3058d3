import numpy as np
import pytest
import torch
from mmengine.dataset import ClassBalancedDataset, ConcatDataset, RepeatDataset
from torch.utils.data import Subset

from mmfer.datasets import ConcatDataset as Joined
from mmfer.datasets import FolderDataset, SynthFER
from mmfer.datasets.samplers import ClassSampler, labels_of
from mmfer.datasets.wrappers import NoisyLabels


class InOrder(ClassSampler):
    """All samples in order."""

    def draw(self, rng):
        return np.arange(self.total)


class OnlyIds:
    """A data set that tells its labels one by one."""

    def __init__(self, ids):
        self.ids = ids

    def __len__(self):
        return len(self.ids)

    def get_cat_ids(self, idx):
        return self.ids[idx]


@pytest.fixture(scope='module')
def synth():
    return SynthFER(num_samples=60, size=16)


def at_rank(monkeypatch, rank, world_size):
    monkeypatch.setattr('mmfer.datasets.samplers.base.get_dist_info', lambda: (rank, world_size))


def test_labels_of_data_sets_and_wrappers(synth):
    labels = synth.get_gt_labels().tolist()
    noisy = NoisyLabels(synth, 0.5)
    lazy = SynthFER(num_samples=60, lazy_init=True)
    balanced = ClassBalancedDataset(synth, 0.3)
    assert labels_of(synth).tolist() == labels
    assert labels_of(lazy).tolist() == labels
    assert labels_of(noisy).tolist() == noisy.get_gt_labels().tolist() != labels
    assert labels_of(RepeatDataset(synth, 2)).tolist() == labels * 2
    assert labels_of(RepeatDataset(synth, 2, lazy_init=True)).tolist() == labels * 2
    assert labels_of(ConcatDataset([synth, lazy])).tolist() == labels * 2
    assert labels_of(Joined([synth, lazy])).tolist() == labels * 2
    assert labels_of(RepeatDataset(Joined([synth, lazy]), 2)).tolist() == labels * 4
    assert labels_of(torch.utils.data.ConcatDataset([synth, synth])).tolist() == labels * 2
    assert labels_of(balanced).tolist() == [balanced.get_cat_ids(i)[0] for i in range(len(balanced))]
    assert labels_of(Subset(synth, [5, 2])).tolist() == [labels[5], labels[2]]
    assert labels_of(OnlyIds([[1], [0]])).tolist() == [1, 0]


def test_data_sets_without_labels():
    with pytest.raises(TypeError, match=r'list does not tell its labels.*get_gt_labels\(\)'):
        labels_of([1, 2])
    with pytest.raises(ValueError, match='2 samples of OnlyIds do not have exactly one label'):
        labels_of(OnlyIds([[1], [], [0, 1]]))
    with pytest.raises(ValueError, match='no integer label'):
        labels_of(OnlyIds([[1], [None]]))


def test_classes_without_samples(synth, tmp_path):
    empty = SynthFER(num_samples=3)
    absent = [name for name, count in empty.class_counts().items() if not count]
    with pytest.raises(ValueError, match=f'InOrder: the data set has no samples of {", ".join(absent)}'):
        InOrder(empty)
    with pytest.raises(ValueError, match='InOrder: the data set has no samples of .*anger'):
        InOrder(Subset(synth, np.flatnonzero(synth.get_gt_labels() < 6)))
    with pytest.raises(ValueError, match='no samples of 1, so'):
        InOrder(OnlyIds([[0], [2]]))
    with pytest.raises(ValueError, match='the data set is empty'):
        InOrder(OnlyIds([]))
    for name in ('happy', 'sad'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'x.png').touch()
    assert [len(indices) for indices in InOrder(FolderDataset(str(tmp_path))).members] == [1, 1]


@pytest.mark.parametrize('world_size', [1, 2, 7])
@pytest.mark.parametrize('total', [1, 5, 60, 61])
def test_ranks_divide_the_list(synth, monkeypatch, total, world_size):
    lists = []
    for rank in range(world_size):
        at_rank(monkeypatch, rank, world_size)
        sampler = InOrder(synth, seed=0)
        sampler.set_total(total)
        lists.append(list(sampler))
        assert len(lists[-1]) == len(sampler)
    assert len({len(part) for part in lists}) == 1
    together = [index for step in zip(*lists) for index in step]
    assert together == [i % total for i in range(len(together))]
    assert 0 <= len(together) - total < world_size


def test_seed(synth, monkeypatch):
    monkeypatch.setattr('mmfer.datasets.samplers.base.sync_random_seed', lambda: 77)
    assert InOrder(synth).seed == 77
    for seed in (-1, 0.5, True):
        with pytest.raises(ValueError, match=f'InOrder: seed={seed}'):
            InOrder(synth, seed=seed)
