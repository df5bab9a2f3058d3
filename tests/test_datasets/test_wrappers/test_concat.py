import pickle

import numpy as np
import pytest
from mmengine.dataset import BaseDataset, ClassBalancedDataset, RepeatDataset

from mmfer.datasets import (
    FER2013,
    ConcatDataset,
    FERDataset,
    FewPerClass,
    FolderDataset,
    KFold,
    ListSubset,
    MapClasses,
    NoisyLabels,
    PackInputs,
    SynthFER,
)
from mmfer.datasets.wrappers.concat import joint_classes
from mmfer.registry import DATASETS

A, B = (dict(type='SynthFER', split=split, num_samples=60, size=16) for split in ('train', 'val'))


class Named(FERDataset):
    """Samples without images, labelled in turn."""

    METAINFO = dict(classes=('anger', 'fear'))

    def load_data_list(self):
        return [dict(img_path=f'/{self.split}/{i}.png', gt_label=i % len(self.classes)) for i in range(6)]


def named(*classes, split='a'):
    cls = type('Named', (Named,), dict(METAINFO=dict(classes=classes)))
    return cls(split=split, validate=False)


def names(dataset):
    return [dataset.classes[label] for label in dataset.get_gt_labels()]


def test_one_after_the_other():
    a, b = SynthFER(num_samples=60, size=16), SynthFER(num_samples=60, size=16, split='val')
    both = ConcatDataset([a, b])
    assert len(both) == 120
    assert both.metainfo == dict(classes=a.classes, protocol='SynthFER train + SynthFER val')
    assert both.get_gt_labels().tolist() == [*a.get_gt_labels(), *b.get_gt_labels()]
    assert list(both.class_counts().values()) == np.bincount(both.get_gt_labels(), minlength=7).tolist()
    assert both.get_cat_ids(60) == b.get_cat_ids(0)
    for i in (0, 59, 60, 119, -1):
        info, own = both.get_data_info(i), (a, b)[i >= 60 or i < 0].get_data_info(i % 60)
        np.testing.assert_array_equal(info['img'], own['img'])
        np.testing.assert_array_equal(info['gt_score'], own['gt_score'])
        assert (info['img_path'], info['gt_label']) == (own['img_path'], own['gt_label'])
        assert both[i]['sample_idx'] == i % 120
    with pytest.raises(IndexError):
        both.entry(120)
    assert 'ConcatDataset(120 samples, [SynthFER(' in repr(both)


def test_built_from_configs_outside_a_runner():
    assert DATASETS.build(dict(type='ConcatDataset', datasets=[A, B], ignore_keys=['protocol'])).protocol == (
        'SynthFER train + SynthFER val'
    )
    absent = dict(type='FERDataset', data_root='/nowhere', ann_file='list.json')
    lazy = ConcatDataset([A, absent], lazy_init=True)
    assert 'not read yet' in repr(lazy)
    with pytest.raises(FileNotFoundError, match='/nowhere'):
        len(lazy)
    assert 'lazy_init' not in A


def test_classes_meet_by_name():
    """The same in another order, and some of them, are mapped."""
    parts = [named('fear', 'anger'), named('anger', 'happiness', 'fear'), named('happiness', 'fear', 'anger')]
    both = ConcatDataset(parts)
    assert both.classes == both.metainfo['classes'] == ('anger', 'happiness', 'fear')
    assert names(both) == [name for part in parts for name in names(part)]
    assert parts[0].classes == ('fear', 'anger')
    assert both.protocol == (
        'Named a, in the classes anger, happiness, fear + Named a + Named a, in the classes anger, happiness, fear'
    )
    soft = ConcatDataset([A, dict(B, num_classes=8)])
    assert soft.entry(3)['gt_score'].shape == soft[3]['votes'].shape == (8,)
    synonyms = named('happy', 'Bored')
    assert names(ConcatDataset([synonyms, named('bored', 'happiness')]))[6:] == ['Bored', 'happy'] * 3


def test_data_sets_with_and_without_votes():
    pack = [PackInputs(votes=True)]
    both = ConcatDataset([dict(A, pipeline=pack), NoisyLabels(dict(B, pipeline=pack), rate=0.1)])
    assert both[0]['data_samples'].votes.sum() == 10
    with pytest.raises(ValueError, match=r'PackInputs: synth/val/000003\.png has no votes: .* all of them where'):
        both[63]


def test_classes_that_do_not_meet():
    with pytest.raises(ValueError, match='classes of all others') as error:
        ConcatDataset([named('anger', 'fear'), named('anger', 'joyful', split='b')], lazy_init=True)
    assert '\n  Named a: anger, fear\n  Named b: anger, joyful\n' in str(error.value)
    with pytest.raises(ValueError, match='  2: c'):
        joint_classes([('a', 'b'), ('c',)])

    class Unnamed(BaseDataset):
        def load_data_list(self):
            return [dict(gt_label=0)]

    with pytest.raises(ValueError, match=r'Unnamed does not name its classes. Set metainfo=dict\(classes'):
        ConcatDataset([A, Unnamed()])
    other = Unnamed(metainfo=dict(classes=SynthFER.METAINFO['classes']))
    both = ConcatDataset([A, other])  # as those of mmpretrain
    assert (len(both), both[60]['gt_label']) == (61, 0)
    assert both.protocol == 'SynthFER train + Unnamed'


@pytest.mark.parametrize(
    'part', [dict(type='mmengine.RepeatDataset', times=2, dataset=dict(A, _scope_='mmfer')), [1, 2]]
)
def test_what_cannot_be_joined(part):
    with pytest.raises(TypeError, match='list it several times'):
        ConcatDataset([A, part])
    with pytest.raises(ValueError, match='datasets is empty'):
        ConcatDataset([])


def test_wrappers_around_it(tmp_path):
    config = dict(type='ConcatDataset', datasets=[A, B])
    both = ConcatDataset([A, B])
    labels = both.get_gt_labels()
    folds = [KFold(config, fold=fold, num_folds=3, part='test') for fold in range(3)]
    places = [place for fold in folds for place in fold.column('concat_place')]
    assert sorted(places) == sorted(both.column('concat_place'))  # over all samples, each once
    counts = np.array([list(fold.class_counts().values()) for fold in folds])
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert folds[0].protocol == '(SynthFER train + SynthFER val), 3-fold by sample, fold 0, test part'
    assert FewPerClass(both, 2).class_counts() == dict.fromkeys(both.classes, 2)
    noisy = NoisyLabels(both, rate=0.5)
    assert np.mean(noisy.get_gt_labels() != labels) == 0.5
    for i in (3, 63):
        info = noisy[i]
        assert (info['gt_label'], info['clean_label']) == (noisy.get_gt_labels()[i], labels[i])
        assert not {'gt_score', 'votes'} & info.keys()  # of the data set inside
    mapped = MapClasses(both, both.classes[::-1])
    assert mapped[70]['gt_label'] == 6 - labels[70]
    np.testing.assert_array_equal(mapped[70]['gt_score'], both[70]['gt_score'][::-1])
    (tmp_path / 'list.txt').write_text('val/000003\ntrain/000003\n')
    subset = ListSubset(both, str(tmp_path / 'list.txt'))
    assert [subset[i]['img_path'] for i in range(2)] == ['synth/train/000003.png', 'synth/val/000003.png']
    assert (both.get_gt_labels() == labels).all()  # a data set that is passed in stays as it is
    nest = ConcatDataset([noisy, KFold(config, fold=0, num_folds=3)])
    assert nest[120 + 5]['img_path'] == KFold(config, fold=0, num_folds=3)[5]['img_path']
    assert len(RepeatDataset(nest, 2)) == 400
    assert len(ClassBalancedDataset(nest, 1e-9)) == 200


def test_folds_by_subject_go_by_name():
    class WithSubjects(Named):
        def load_data_list(self):
            return [dict(entry, subject=str(i // 2)) for i, entry in enumerate(super().load_data_list())]

    parts = [WithSubjects(split=split, validate=False) for split in 'ab']
    fold = KFold(ConcatDataset(parts), fold=0, num_folds=3, part='test')
    assert len(set(fold.column('subject'))) == 1
    assert len(fold) == 4
    with pytest.raises(ValueError, match='6 of 12 entries do not name their subject'):
        KFold(ConcatDataset([*parts[:1], named('anger', 'fear')]), fold=0, num_folds=3)


def test_parts_keep_their_pipelines():
    first, second = ([lambda info, name=name: dict(info, by=name)] for name in 'ab')
    nest = KFold(ConcatDataset([dict(A, pipeline=first), ConcatDataset([B, dict(B, pipeline=second)])]), 0, 2)
    seen = {nest[i]['concat_place'][0]: nest[i].get('by') for i in range(len(nest))}
    assert seen[0] == 'a'
    assert {nest[i].get('by') for i in range(len(nest))} == {'a', 'b', None}
    inner = SynthFER(num_samples=10, size=16)
    both = ConcatDataset([inner, inner])
    again = NoisyLabels(both, rate=0)
    again.pipeline = lambda info: 'changed'
    assert again[15] == 'changed'
    assert isinstance(both[15], dict)
    assert isinstance(inner[5], dict)


def test_samples_that_a_pipeline_drops():
    drops = [lambda info: None if info['concat_place'][0] else info]
    both = ConcatDataset([dict(A, pipeline=drops), dict(B, pipeline=drops)])
    assert both[90]['concat_place'][0] == 0
    strict = ConcatDataset([A, dict(B, pipeline=drops, test_mode=True)])
    with pytest.raises(Exception, match='should not get `None`'):
        strict[90]


def test_what_data_sets_make_of_their_entries(tmp_path):
    """Images of a csv file come out, and what was left out as unreadable is told."""
    pixels = ' '.join(['7'] * 48 * 48)
    rows = [f'{i},{pixels},Training' for i in range(7)]
    (tmp_path / 'fer2013.csv').write_text('\n'.join(['emotion,pixels,Usage', *rows]))
    (tmp_path / 'photos/happy').mkdir(parents=True)
    (tmp_path / 'photos/happy/bad.png').write_bytes(b'no image')
    import cv2

    cv2.imwrite(str(tmp_path / 'photos/happy/good.png'), np.zeros((8, 8, 3), np.uint8))
    photos = FolderDataset(str(tmp_path / 'photos'), unreadable='skip')
    both = ConcatDataset([FER2013(str(tmp_path), split='train'), photos])
    assert both[3]['img'].shape == (48, 48)
    assert '#row=' in both[3]['img_path']
    assert both.classes == FER2013.METAINFO['classes']
    assert names(both)[-1] == 'happiness'
    assert both.skipped == [str(tmp_path / 'photos/happy/bad.png')]
    assert '1 unreadable images left out' in both.protocol


def test_published_counts():
    def published(counts):
        cls = type('Published', (Named,), dict(PUBLISHED_COUNTS=dict(a=counts)))
        return cls(split='a', validate=False)

    assert ConcatDataset([published((2, 3)), published((4, 5))]).published_counts() == (6, 8)
    assert ConcatDataset([published((2, 3)), published(9)]).published_counts() == 14
    assert ConcatDataset([published((2, 3)), named('anger', 'fear')]).published_counts() is None


def test_copies():
    both = ConcatDataset([A, B])
    part = both.get_subset([70, 3])
    assert [part[i]['img_path'] for i in range(2)] == ['synth/val/000010.png', 'synth/train/000003.png']
    assert len(both) == 120
    again = pickle.loads(pickle.dumps(part))
    assert again[0]['img_path'] == 'synth/val/000010.png'
