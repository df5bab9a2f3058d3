import numpy as np
import pytest

from mmfer.datasets import SynthFER
from mmfer.datasets.wrappers import DatasetWrapper, NoisyLabels
from mmfer.registry import DATASETS

SYNTH = dict(type='SynthFER', num_samples=120, size=24)


class Reverse(DatasetWrapper):
    """The first ten samples backwards."""

    def apply(self):
        self.select(range(9, -1, -1))

    def describe(self):
        return 'reversed'


def labels(dataset):
    return dataset.get_gt_labels().tolist()


def test_delegates_to_the_data_set_inside():
    inner = SynthFER(num_samples=120, size=24, pipeline=[lambda info: dict(info, seen=True)])
    dataset = Reverse(inner)
    wanted = labels(inner)[9::-1]
    assert len(dataset) == 10
    assert dataset.classes == inner.classes
    assert dataset.num_classes == 7
    assert labels(dataset) == wanted
    assert dataset.column('gt_label') == wanted
    assert [dataset.get_cat_ids(i) for i in range(10)] == [[label] for label in wanted]
    assert sum(dataset.class_counts().values()) == 10
    assert dataset.entry(0)['face_index'] == 9
    assert 'img' not in dataset.entry(0)
    assert dataset.get_data_info(0)['img'].shape == (24, 24, 3)
    assert dataset[0]['seen']
    assert dataset[0]['sample_idx'] == 0
    np.testing.assert_array_equal(dataset[0]['img'], inner[9]['img'])
    assert dataset.published_counts() is None
    assert dataset.skipped == []
    assert dataset.protocol == dataset.metainfo['protocol'] == 'SynthFER train, reversed'
    assert dataset.metainfo['classes'] == inner.classes
    assert 'reversed, 10 samples' in repr(dataset)


@pytest.mark.parametrize('serialize', [True, False])
def test_a_built_data_set_stays_as_it_is(serialize):
    inner = SynthFER(num_samples=50, size=24, serialize_data=serialize)
    before = labels(inner)
    dataset = NoisyLabels(Reverse(inner), rate=1.0)
    dataset.pipeline = lambda info: 'changed'
    assert dataset[0] == 'changed'
    assert labels(inner) == before
    assert isinstance(inner[0], dict)
    assert inner.entry(0)['gt_score'] is not None
    assert 'clean_label' not in inner.entry(0)
    wrapper = Reverse(inner)
    outer = NoisyLabels(wrapper, rate=1.0)
    assert labels(outer) != labels(wrapper) == before[9::-1]


def test_changes_in_place():
    dataset = Reverse(SYNTH)
    first = labels(dataset)
    part = dataset.get_subset([3, 1])
    assert labels(part) == [first[3], first[1]]
    assert labels(dataset) == first
    dataset.get_subset_(4)
    assert labels(dataset) == first[:4]
    dataset.relabel([0, 1, 2, 3])
    assert labels(dataset) == [0, 1, 2, 3]
    assert dataset.column('clean_label') == first[:4]


def test_lazy_init_reads_nothing_before_it_is_needed(tmp_path):
    config = dict(type='FERDataset', data_root=str(tmp_path / 'absent'), ann_file='list.json')
    dataset = Reverse(config, lazy_init=True)
    assert 'not read yet' in repr(dataset)
    with pytest.raises(FileNotFoundError, match='absent'):
        len(dataset)
    with pytest.raises(FileNotFoundError, match='absent'):
        Reverse(config)
    inner = SynthFER(num_samples=20, lazy_init=True)
    dataset = Reverse(inner, lazy_init=True)
    assert len(dataset) == 10
    assert not inner._fully_initialized
    assert len(inner) == 20
    assert 'lazy_init' not in config


def test_wrappers_nest_in_any_order():
    few = dict(type='FewPerClass', num_per_class=6)
    fold = dict(type='KFold', fold=1, num_folds=3, part='test')
    noise = dict(type='NoisyLabels', rate=0.5)
    one = DATASETS.build(dict(noise, dataset=dict(few, dataset=dict(fold, dataset=dict(SYNTH, num_samples=600)))))
    assert len(one) == 42
    assert one.protocol == (
        'SynthFER train, 3-fold by sample, fold 1, test part, 6 of each class (seed 0), '
        '50 % symmetric label noise (seed 0, 50.0 % flipped)'
    )
    other = DATASETS.build(dict(fold, dataset=dict(few, dataset=dict(noise, dataset=dict(SYNTH, num_samples=600)))))
    assert len(other) == 14
    assert other.protocol.index('noise') < other.protocol.index('of each class') < other.protocol.index('fold')
    assert other.class_counts() == dict.fromkeys(other.classes, 2)


@pytest.mark.parametrize('dataset', [[1, 2], dict(type='RepeatDataset', dataset=dict(SYNTH, _scope_='mmfer'), times=2)])
def test_other_data_sets_are_refused(dataset):
    with pytest.raises(TypeError, match='Reverse: dataset must be a data set of mmfer'):
        Reverse(dataset)
