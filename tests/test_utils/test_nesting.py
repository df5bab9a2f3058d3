import pytest
from mmengine.dataset import ClassBalancedDataset, ConcatDataset, RepeatDataset
from nested_data import KINDS, nested
from torch.utils.data import Subset

from mmfer.datasets import ConcatDataset as Joined
from mmfer.datasets import KFold, SynthFER
from mmfer.utils.nesting import inside, leaves, protocol_of, shared_pipeline, source, walk

A, B = (dict(type='SynthFER', split=split, num_samples=20, size=16) for split in ('train', 'val'))


@pytest.mark.parametrize('kind', KINDS)
def test_configs(kind):
    config = nested(kind, A, B)
    assert leaves(config) == [A, B]
    assert next(walk(config)) is config
    assert leaves(dict(config, extra='x')) == [A, B]


def test_a_data_set_itself():
    for data in (A, SynthFER(num_samples=20), dict(type='ConcatDataset', datasets=[]), [1, 2]):
        assert inside(data) == []
        assert leaves(data) == [data]


def test_built_data_sets():
    a, b = (SynthFER(split=split, num_samples=20, size=16) for split in ('train', 'val'))
    both = ConcatDataset([a, b], ignore_keys=['protocol', 'observer_accuracy'])
    for data in (both, Subset(both, [1]), RepeatDataset(Joined([a, b]), 2), ClassBalancedDataset(Joined([a, b]), 1e-9)):
        assert [leaf.split for leaf in leaves(data)] == ['train', 'val']
    assert protocol_of(both) == 'SynthFER train + SynthFER val'
    assert protocol_of(RepeatDataset(a, 2)) == 'SynthFER train, RepeatDataset of 40 samples'
    assert protocol_of(RepeatDataset(Joined([a, b]), 2)) == 'SynthFER train + SynthFER val, RepeatDataset of 80 samples'
    assert protocol_of([1, 2]) == 'list'


def test_the_source_of_a_sample():
    inner = Joined([A, KFold(SynthFER(num_samples=20, split='val', size=16), fold=0, num_folds=2)])
    nest = KFold(Joined([dict(A, seed=3), inner]), fold=1, num_folds=2)
    for i in range(len(nest)):
        leaf, index = source(nest, i)
        assert leaf.entry(index)['face_index'] == nest.entry(i)['face_index']
        assert f'synth/{leaf.split}/' in nest.get_data_info(i)['img_path']
    assert {(source(nest, i)[0].split, source(nest, i)[0].seed) for i in range(len(nest))} == {
        ('train', 3),
        ('train', 0),
        ('val', 0),
    }


def test_the_pipeline_of_all():
    same = nested('ConcatDataset', dict(A, pipeline=[1]), dict(B, pipeline=[1]))
    assert shared_pipeline(dict(type='RepeatDataset', dataset=same), 'x.py') == [1]
    assert shared_pipeline(dict(same, pipeline=[3]), 'x.py') == [3]
    assert shared_pipeline(nested('KFold', A, B), 'x.py') is None
    other = nested('mmengine.ConcatDataset', dict(A, pipeline=[1]), B)
    with pytest.raises(ValueError, match=r'x.py: its 2 data sets have different pipelines. Give them the same one'):
        shared_pipeline(other, 'x.py')
