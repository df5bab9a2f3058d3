import pickle

import numpy as np
import pytest
from torch.utils.data import DataLoader

from mmfer.datasets import FERDataset, SynthFER
from mmfer.datasets.synth.appearance import luminance
from mmfer.registry import DATASETS
from mmfer.structures.expressions import EXPRESSIONS


def infos_of(dataset):
    return [FERDataset.get_data_info(dataset, i) for i in range(len(dataset))]


def same(a, b):
    keys = ('gt_label', 'gt_score', 'votes', 'intensities', 'img')
    return all(np.array_equal(a[key], b[key]) for key in keys)


def test_sample():
    dataset = DATASETS.build(dict(type='SynthFER', split='test', num_samples=13, size=48))
    assert len(dataset) == 13
    assert dataset.classes == EXPRESSIONS[:7]
    sample = dataset[12]
    assert sample['img'].shape == (48, 48, 3)
    assert sample['img'].dtype == np.uint8
    assert sample['img_shape'] == sample['ori_shape'] == (48, 48)
    assert sample['img_path'] == 'synth/test/000012.png'
    assert sample['sample_idx'] == sample['face_index'] == 12
    assert sample['gt_score'].dtype == np.float32
    assert isinstance(sample['gt_label'], int)


def test_faces_depend_on_seed_split_and_index_alone():
    few, many = SynthFER(num_samples=4, size=32), SynthFER(num_samples=9, size=32)
    assert all(same(few[i], many[i]) for i in range(4))
    images = [
        SynthFER(split=split, seed=seed, num_samples=2, size=32)[i]['img'].tobytes()
        for split in SynthFER.SPLITS
        for seed in (0, 1)
        for i in (0, 1)
    ]
    assert len(set(images)) == len(images)


@pytest.mark.parametrize('num_classes', [7, 8])
def test_labels_are_the_majority_of_votes_from_the_true_distribution(num_classes):
    dataset = SynthFER(split='test', num_samples=1500, num_classes=num_classes)
    assert dataset.classes == dataset.metainfo['classes'] == EXPRESSIONS[:num_classes]
    infos = infos_of(dataset)
    votes, scores, x = (np.stack([info[key] for info in infos]) for key in ('votes', 'gt_score', 'intensities'))
    labels = dataset.get_gt_labels()
    assert votes.shape == scores.shape == x.shape == (1500, num_classes)
    assert (votes.sum(axis=1) == 10).all()
    assert (votes[np.arange(1500), labels] == votes.max(axis=1)).all()
    assert np.allclose(scores.sum(axis=1), 1, atol=1e-6)
    expected = np.exp(x.astype(float) / 0.2)
    assert np.allclose(scores, expected / expected.sum(axis=1, keepdims=True), atol=1e-6)
    # Votes come from the distribution: their mean over faces is its mean.
    assert np.abs(votes.mean(axis=0) / 10 - scores.mean(axis=0)).max() < 0.015
    observer = (scores.argmax(axis=1) == labels).mean()
    assert dataset.observer_accuracy == pytest.approx(observer, abs=1e-12)
    assert 0.9 < observer < 0.96
    counts = np.array(list(dataset.class_counts().values()))
    assert counts.min() > 0.6 * counts.max()


def test_some_of_the_votes():
    options = dict(split='val', num_samples=400, size=16)
    full, few, all_ten = (SynthFER(votes_used=used, **options) for used in (None, 3, 10))
    assert few.protocol == few.metainfo['protocol'] == 'SynthFER val, at most 3 votes a face (seed 0)'
    votes, used = (np.stack(dataset.column('votes')) for dataset in (full, few))
    assert (used.sum(1) == 3).all()
    assert (used <= votes).all()
    np.testing.assert_array_equal(np.stack(few.column('gt_score')), (used / 3).astype(np.float32))
    labels = few.get_gt_labels()
    assert (used[np.arange(400), labels] == used.max(1)).all()
    assert few.observer_accuracy < full.observer_accuracy
    # ten are all: only the soft label is that of the votes instead of the true distribution
    for key in ('votes', 'gt_label'):
        np.testing.assert_array_equal(all_ten.column(key), full.column(key))
    np.testing.assert_array_equal(np.stack(all_ten.column('gt_score')), (votes / 10).astype(np.float32))
    assert few[7]['img'].tobytes() == full[7]['img'].tobytes()
    # other faces and their order make no difference, another seed of the faces or of the votes does
    np.testing.assert_array_equal(SynthFER(votes_used=3, **dict(options, num_samples=50)).column('votes'), used[:50])
    np.testing.assert_array_equal(SynthFER(votes_used=3, indices=[9, 2], **options).column('votes'), used[[9, 2]])
    assert not np.array_equal(SynthFER(votes_used=3, votes_seed=1, **options).column('votes'), used)


def test_observer_accuracy_is_in_metainfo_and_follows_subsets():
    dataset = SynthFER(split='val', num_samples=200, temperature=0.4)
    assert dataset.protocol == 'SynthFER val, temperature 0.4'
    assert type(dataset.metainfo['observer_accuracy']) is float
    right = np.array([info['gt_score'].argmax() == info['gt_label'] for info in infos_of(dataset)])
    assert dataset.metainfo['observer_accuracy'] == pytest.approx(right.mean())
    part = dataset.get_subset(list(range(50, 90)))
    assert part.metainfo['observer_accuracy'] == pytest.approx(right[50:90].mean())
    last = SynthFER(split='val', num_samples=200, temperature=0.4, indices=-30)
    assert last.observer_accuracy == pytest.approx(right[-30:].mean())
    wrong = int(np.flatnonzero(~right)[0])
    assert dataset.get_subset([wrong] * 200).metainfo['observer_accuracy'] == 0
    dataset.relabel([info['gt_score'].argmax() for info in infos_of(dataset)])
    assert dataset.metainfo['observer_accuracy'] == 1


def test_cache_gives_the_same_faces():
    plain, cached, stored = (SynthFER(num_samples=6, size=24, cache=cache) for cache in (False, True, 'disk'))
    assert all(same(plain[i], stored[i]) for i in range(6))
    assert all(same(plain[i], cached[i]) for i in range(6))
    cached[0]['img'][:] = 0  # a transform that writes into its image must not reach the cache
    assert same(plain[0], cached[0])
    part = SynthFER(num_samples=6, size=24, cache=True, indices=[4, 1])
    assert same(part[0], plain[4])
    assert same(part[1], plain[1])
    assert part._images.shape == (2, 24, 24, 3)
    assert part._images.flags.c_contiguous
    assert same(cached.get_subset([3])[0], plain[3])
    assert cached.get_subset([3])._images is cached._images


@pytest.mark.parametrize('cache', [False, True, 'disk'])
def test_copies_and_workers_give_the_same_faces(cache):
    dataset = SynthFER(num_samples=6, size=24, cache=cache)
    copy = pickle.loads(pickle.dumps(dataset))
    assert all(same(dataset[i], copy[i]) for i in range(6))
    loader = DataLoader(dataset, batch_size=None, num_workers=2, collate_fn=lambda sample: sample)
    assert [sample['img'].tobytes() for sample in loader] == [dataset[i]['img'].tobytes() for i in range(6)]


def test_faces_on_disk_are_drawn_once(tmp_path, monkeypatch):
    monkeypatch.setenv('MMFER_CACHE', str(tmp_path / 'cache'))
    options = dict(num_samples=6, size=24, cache='disk')
    first = SynthFER(**options)
    images = [first[i]['img'] for i in range(6)]
    (file,) = (tmp_path / 'cache/synth_fer').iterdir()
    first[0]['img'][:] = 0
    with monkeypatch.context() as patch:
        patch.setattr(SynthFER, 'render', lambda *args: pytest.fail('drawn again'))
        second = SynthFER(**options)
        assert all(np.array_equal(second[i]['img'], images[i]) for i in range(6))
    for other in (dict(num_samples=5), dict(seed=1), dict(size=32), dict(split='test'), dict(num_classes=8)):
        plain, stored = (SynthFER(**{**options, **other, 'cache': cache}) for cache in (False, 'disk'))
        assert same(plain[4], stored[4])
    assert len(list(file.parent.iterdir())) == 6
    file.write_bytes(file.read_bytes()[:-1])  # cut off by a full disk, say
    assert np.array_equal(SynthFER(**options)[3]['img'], images[3])


def test_faces_stay_in_memory_where_the_disk_cannot_keep_them(tmp_path, monkeypatch):
    (tmp_path / 'file').touch()
    monkeypatch.setenv('MMFER_CACHE', str(tmp_path / 'file'))
    logged = []
    monkeypatch.setattr('mmfer.datasets.synth_fer.print_log', lambda text, **options: logged.append(text))
    plain, stored = (SynthFER(num_samples=3, size=24, cache=cache) for cache in (False, 'disk'))
    assert same(plain[2], stored[2])
    assert 'could not be written' in logged[0]
    with pytest.raises(ValueError, match="cache='disc'"):
        SynthFER(cache='disc')


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(split='dev'), 'split'),
        (dict(num_classes=6), 'num_classes'),
        (dict(size=8), 'size'),
        (dict(size=64.0), 'size'),
        (dict(size=True), 'size'),
        (dict(num_samples=0), 'num_samples'),
        (dict(seed=-1), 'seed'),
        (dict(temperature=0), 'temperature'),
        (dict(temperature=float('nan')), 'temperature'),
        (dict(num_annotators=0), 'num_annotators'),
        (dict(metainfo=dict(classes=('happiness', 'neutral'))), 'classes'),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        SynthFER(**dict(dict(num_samples=2), **arguments))


def test_classes_without_samples_are_allowed_unless_refused():
    few = dict(split='train', num_samples=3, size=16)
    assert len(SynthFER(**few)) == len(SynthFER(**few, allow_empty_classes=True)) == 3
    with pytest.raises(ValueError, match='SynthFER: no samples of .* in the generator'):
        SynthFER(**few, allow_empty_classes=False)
    assert len(SynthFER(split='train', num_samples=60, size=16, allow_empty_classes=False)) == 60


def test_attributes_tell_who_is_drawn():
    plain, told = (SynthFER(split='test', num_samples=150, size=32, attributes=on) for on in (False, True))
    assert same(plain[5], told[5])
    assert 'skin' not in plain[5]
    people = [told.person(i) for i in range(150)]
    assert told.column('glasses') == ['no' if person.glasses == 'none' else 'yes' for person in people]
    assert told.column('beard') == ['no' if person.beard == 'none' else 'yes' for person in people]
    tone = [luminance(person.skin) for person in people]
    order = [told.column('skin')[i] for i in np.argsort(tone)]
    assert order == sorted(order, key=('dark', 'medium', 'light').index)
    assert all(35 < order.count(name) < 65 for name in ('dark', 'medium', 'light'))
