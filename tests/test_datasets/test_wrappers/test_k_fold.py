import numpy as np
import pytest

from mmfer.datasets import FERDataset, SynthFER
from mmfer.datasets.wrappers import KFold
from mmfer.datasets.wrappers.k_fold import group_folds

CLASSES = ('neutral', 'happiness', 'fear')


class People(FERDataset):
    """Samples of people, as the test gives them: (subject, label)."""

    METAINFO = dict(classes=CLASSES)

    def __init__(self, people, **options):
        self.people = people
        super().__init__(**options)

    def load_data_list(self):
        return [dict(gt_label=label, subject=subject, number=i) for i, (subject, label) in enumerate(self.people)]


def crowd(num_subjects, seed=0):
    """Some people with 1 to 8 samples each, mostly of the first class."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 9, num_subjects)
    return [(f'S{i:03d}', int(label)) for i, n in enumerate(sizes) for label in rng.choice(3, n, p=(0.6, 0.3, 0.1))]


def parts(dataset, key, num_folds=10, **options):
    return [KFold(dataset, fold, num_folds, 'test', **options).column(key) for fold in range(num_folds)]


def test_folds_by_sample_cover_everything_and_are_stratified():
    inner = SynthFER(num_samples=203, size=16)
    folds = [KFold(inner, fold, 5, 'test') for fold in range(5)]
    assert folds[3].protocol == 'SynthFER train, 5-fold by sample, fold 3, test part'
    assert sorted(sum((fold.column('face_index') for fold in folds), [])) == list(range(203))
    counts = np.array([list(fold.class_counts().values()) for fold in folds])
    assert np.ptp(counts, axis=0).max() <= 1
    assert np.ptp(counts.sum(axis=1)) <= 1
    train = KFold(inner, 3, 5)
    assert sorted(train.column('face_index') + folds[3].column('face_index')) == list(range(203))
    assert 'train part' in train.protocol


def test_folds_by_subject_share_no_people():
    inner = People(crowd(60))
    test = KFold(inner, 3, part='test')
    train = KFold(inner, 3, part='train')
    assert test.protocol == 'People, 10-fold by subject, fold 3, test part'
    assert not set(test.column('subject')) & set(train.column('subject'))
    assert sorted(test.column('number') + train.column('number')) == list(range(len(inner)))
    assert sorted(sum(parts(inner, 'number'), [])) == list(range(len(inner)))


@pytest.mark.parametrize('seed', range(2))
def test_folds_by_subject_are_even(seed):
    people = crowd(100, seed)
    labels = np.array([label for _, label in people])
    folds = group_folds(labels, np.array([subject for subject, _ in people]), 10, seed)
    sizes = np.bincount(folds, minlength=10)
    assert np.ptp(sizes) <= 8  # the largest subject
    counts = np.array([np.bincount(labels[folds == fold], minlength=3) for fold in range(10)])
    order = np.random.default_rng(seed).permutation(100) % 10
    by_chance = np.array([order[int(subject[1:])] for subject, _ in people])
    random = np.array([np.bincount(labels[by_chance == fold], minlength=3) for fold in range(10)])
    assert (counts.std(axis=0) < 0.6 * random.std(axis=0)).all()


def test_folds_follow_from_the_seed():
    inner = People(crowd(40))
    assert parts(inner, 'number') == parts(inner, 'number')
    assert parts(inner, 'number') != parts(inner, 'number', seed=1)
    assert parts(inner, 'number', by='sample') != parts(inner, 'number', by='sample', seed=1)
    assert '10-fold by sample (seed 1), fold 0' in KFold(inner, 0, by='sample', seed=1).protocol


def test_too_few_subjects_or_samples():
    with pytest.raises(ValueError, match='9 subjects cannot be split into num_folds=10'):
        KFold(People(crowd(9) + [('S000', 0), ('S000', 1), ('S000', 2)]), 0)
    with pytest.raises(ValueError, match='5 samples cannot be split into num_folds=10'):
        KFold(SynthFER(num_samples=5), 0)


def test_entries_without_subject():
    mixed = People(crowd(20) + [(None, 0), (None, 1)])
    for by in ('auto', 'subject'):
        with pytest.raises(ValueError, match=r"2 of \d+ entries do not name their subject; by='image'"):
            KFold(mixed, 0, by=by)
    assert len(KFold(mixed, 0, by='sample'))
    with pytest.raises(ValueError, match='20 of 20 entries'):
        KFold(SynthFER(num_samples=20), 0, by='subject')


def test_faces_of_one_photo_stay_together():
    class Photos(People):
        def load_data_list(self):
            return [dict(gt_label=label, img_path=photo) for photo, label in self.people]

    several = Photos(crowd(30), validate=False)
    folds = [KFold(several, fold, 5, 'test') for fold in range(5)]
    assert sum(map(len, folds)) == len(several)
    photos = [set(fold.column('img_path')) for fold in folds]
    assert len(set.union(*photos)) == sum(map(len, photos)) == 30
    assert '5-fold by image' in folds[0].protocol
    single = Photos([(f'{i}.jpg', i % 3) for i in range(12)], validate=False)
    assert '5-fold by sample' in KFold(single, 0, 5).protocol
    with pytest.raises(ValueError, match="by='image' needs entries with an img_path"):
        KFold(SynthFER(num_samples=20), 0, by='image')


def test_absent_classes_are_warned_of(monkeypatch):
    logged = []
    monkeypatch.setattr('mmfer.datasets.wrappers.k_fold.print_log', lambda text, **_: logged.append(text))
    people = People([(str(i), 0) for i in range(20)] + [('x', 1), ('y', 2)])
    parts(people, 'number')
    assert any('no samples of happiness, fear in the test part' in text for text in logged)


@pytest.mark.parametrize(
    ('option', 'value'),
    [('fold', 10), ('fold', -1), ('num_folds', 1), ('part', 'val'), ('by', 'person'), ('seed', 0.5), ('fold', True)],
)
def test_wrong_arguments(option, value):
    with pytest.raises(ValueError, match=f'KFold: {option}={value!r}'):
        KFold(SynthFER(num_samples=20), **dict(dict(fold=0), **{option: value}))
