import numpy as np
import pytest

from mmfer.datasets import FERDataset, SynthFER
from mmfer.datasets.wrappers import FewPerClass, NoisyLabels
from mmfer.datasets.wrappers.noisy_labels import flip_evenly

CLASSES = ('surprise', 'fear', 'anger')


class Labels(FERDataset):
    """Samples with the labels that the test gives."""

    METAINFO = dict(classes=CLASSES)
    PUBLISHED_COUNTS = {'': (50, 30, 20)}

    def __init__(self, labels, **options):
        self.labels = labels
        super().__init__(**options)

    def load_data_list(self):
        return [dict(gt_label=int(label)) for label in self.labels]


@pytest.fixture(scope='module')
def uneven():
    """500 surprise, 300 fear, 200 anger."""
    return Labels(np.repeat([0, 1, 2], [500, 300, 200]))


def confusion(dataset):
    """Numbers of (clean, noisy) labels."""
    counts = np.zeros((dataset.num_classes, dataset.num_classes), dtype=int)
    np.add.at(counts, (dataset.column('clean_label'), dataset.get_gt_labels()), 1)
    return counts


def test_every_class_is_flipped_and_every_other_one_is_as_likely():
    labels = np.repeat(np.arange(5), [4000, 2000, 1000, 2000, 1000])
    for exact in (True, False):
        noisy = flip_evenly(labels, 5, 0.3, exact, seed=3)
        counts = np.zeros((5, 5))
        np.add.at(counts, (labels, noisy), 1)
        rates = counts / counts.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(np.diag(rates), 0.7, atol=1e-9 if exact else 0.05)
        np.testing.assert_allclose(rates[~np.eye(5, dtype=bool)], 0.3 / 4, atol=0.03)


def test_by_chance_the_number_varies(uneven):
    rates = {NoisyLabels(uneven, 0.2, seed=seed, exact=False).flip_rate for seed in range(5)}
    assert len(rates) > 1
    assert all(0.15 < rate < 0.25 for rate in rates)
    assert 'each label by chance' in NoisyLabels(uneven, 0.2, exact=False).protocol


def test_deterministic_by_seed_and_content(uneven):
    first = NoisyLabels(uneven, 0.2).get_gt_labels()
    np.random.seed(5)
    np.testing.assert_array_equal(first, NoisyLabels(uneven, 0.2).get_gt_labels())
    assert (first != NoisyLabels(uneven, 0.2, seed=1).get_gt_labels()).any()


def test_entries_keep_the_clean_label_and_lose_soft_ones():
    inner = SynthFER(num_samples=40)
    dataset = NoisyLabels(inner, 0.5)
    assert dataset.column('clean_label') == inner.get_gt_labels().tolist()
    assert dataset.column('gt_score') == dataset.column('votes') == [None] * 40
    assert dataset.column('gt_label') == dataset.get_gt_labels().tolist()
    info = dataset[0]
    assert info['clean_label'] == inner[0]['gt_label']
    np.testing.assert_array_equal(info['img'], inner[0]['img'])
    assert 'observer_accuracy' in inner.metainfo
    assert 'observer_accuracy' not in dataset.metainfo  # it is about the clean labels


def test_rate_is_named_and_logged(uneven, monkeypatch):
    logged = []
    monkeypatch.setattr('mmfer.datasets.wrappers.noisy_labels.print_log', lambda text, **_: logged.append(text))
    dataset = NoisyLabels(FewPerClass(dict(type='SynthFER', num_samples=300), 3), rate=0.1)
    assert dataset.protocol.endswith('3 of each class (seed 0), 10 % symmetric label noise (seed 0, 9.5 % flipped)')
    assert '2 of 21 labels changed; 21 soft labels are dropped; the votes on 21 samples are dropped' in logged[0]
    assert NoisyLabels(uneven, 0.1).published_counts() == 100
    assert NoisyLabels(uneven, 0.1, lazy_init=True).protocol == 'Labels, 10 % symmetric label noise (seed 0)'


def test_transitions_by_name(uneven):
    transitions = {'fear': {'Surprised': 0.3}, 'anger': {'fear': 0.1, 'surprise': 0.05}}
    dataset = NoisyLabels(uneven, kind='asymmetric', transitions=transitions)
    assert confusion(dataset).tolist() == [[500, 0, 0], [90, 210, 0], [10, 20, 170]]
    assert dataset.flip_rate == pytest.approx(0.12)
    assert dataset.protocol == (
        'Labels, class-dependent label noise (fear to Surprised 0.3, anger to fear 0.1, anger to surprise 0.05, '
        'seed 0, 12.0 % flipped)'
    )
    chance = confusion(NoisyLabels(uneven, kind='asymmetric', transitions=transitions, exact=False))
    assert chance[0].tolist() == [500, 0, 0]
    assert 60 < chance[1, 0] < 120
    assert chance[1, 2] == 0


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (dict(), 'symmetric noise needs the rate'),
        (dict(rate=1.2), r'rate=1.2 must be a share in \[0, 1\]'),
        (dict(rate='20'), "rate='20' must be"),
        (dict(rate=20), 'rate=20 must be'),
        (dict(rate=0.2, kind='pair'), "kind='pair' is not one of"),
        (dict(rate=0.2, seed=-1), 'seed=-1'),
        (dict(rate=0.2, kind='asymmetric'), 'do not fit'),
        (dict(rate=0.2, transitions={'fear': {'anger': 0.1}}), 'do not fit'),
        (dict(rate=0.2, kind='asymmetric', transitions={'fear': {'anger': 0.1}}), 'do not fit'),
        (dict(kind='asymmetric', transitions={'fear': {'contempt': 0.1}}), "'contempt' is no class of the data set"),
        (dict(kind='asymmetric', transitions={'feer': {'anger': 0.1}}), "unknown expression 'feer'"),
        (dict(kind='asymmetric', transitions={'fear': 0.1}), 'cannot be read'),
        (dict(kind='asymmetric', transitions={'fear': {'anger': 0.7, 'surprise': 0.7}}), 'transitions from fear are'),
        (dict(kind='asymmetric', transitions={'fear': {'anger': -0.1}}), 'transitions from fear are'),
        (dict(kind='asymmetric', transitions={'fear': {'anger': float('nan')}}), 'transitions from fear are'),
        (dict(kind='asymmetric', transitions=[[1, 0], [0, 1]]), 'cannot be read'),
    ],
)
def test_wrong_arguments(uneven, options, text):
    with pytest.raises(ValueError, match=text):
        NoisyLabels(uneven, **options)
