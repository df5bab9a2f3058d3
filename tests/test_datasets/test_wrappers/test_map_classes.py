import numpy as np
import pytest

from mmfer.datasets import MapClasses, NoisyLabels, SynthFER

SYNTH = dict(type='SynthFER', num_samples=60, size=16)


def test_another_order_goes_by_name():
    plain = SynthFER(num_samples=60, size=16)
    order = ('anger', 'disgust', 'fear', 'happiness', 'sadness', 'surprise', 'neutral')
    mapped = MapClasses(plain, order)
    assert mapped.classes == mapped.metainfo['classes'] == order
    assert len(mapped) == 60
    for i in range(60):
        a, b = plain[i], mapped[i]
        assert plain.classes[a['gt_label']] == order[b['gt_label']]
        np.testing.assert_array_equal(a['img'], b['img'])
        for name in order:
            assert a['gt_score'][plain.classes.index(name)] == b['gt_score'][order.index(name)]
    assert mapped.metainfo['observer_accuracy'] == plain.metainfo['observer_accuracy']
    other = MapClasses(plain, ('Happy', 'sad', *order[:3], *order[5:]))
    assert other.metainfo['observer_accuracy'] == plain.metainfo['observer_accuracy']
    named = MapClasses(plain, ('smile', *order[:3], *order[4:]), dict(happiness='smile'))
    assert named.class_counts()['smile'] == plain.class_counts()['happiness']
    assert 'observer_accuracy' not in named.metainfo
    assert plain.classes[0] == 'neutral'  # the data set passed in stays as it is
    assert mapped.protocol.startswith('SynthFER train, in the classes anger, disgust')


def test_classes_are_left_out_or_counted_as_others():
    plain = SynthFER(num_samples=60, size=16, num_classes=8)
    counts = plain.class_counts()
    left = MapClasses(dict(SYNTH, num_classes=8), plain.classes[:7])
    assert len(left) == 60 - counts['contempt']
    assert f'left out: {counts["contempt"]} of contempt' in left.protocol
    np.testing.assert_allclose([s.sum() for s in left.column('gt_score')], 1, rtol=1e-5)
    assert 'observer_accuracy' not in left.metainfo
    mapped = MapClasses(dict(SYNTH, num_classes=8), plain.classes[:7], dict(contempt='disgust', joy='happiness'))
    assert mapped.class_counts()['disgust'] == counts['disgust'] + counts['contempt']
    assert 'left out' not in mapped.protocol
    assert 'contempt counts as disgust' in mapped.protocol
    assert 'joy' not in mapped.protocol
    score = mapped.entry(3)['gt_score']
    clean = plain.entry(3)['gt_score']
    assert score[5] == pytest.approx(clean[5] + clean[7])


def test_soft_labels_keep_their_sum_and_may_vanish():
    mapped = MapClasses(SYNTH, ('anger', 'fear'))
    entries = [mapped.entry(i) for i in range(len(mapped))]
    assert all(entry['gt_score'].shape == (2,) for entry in entries)
    one_hot = SynthFER(num_samples=40, size=16)
    rows = [dict(one_hot.entry(i), gt_score=np.eye(7, dtype=np.float32)[0] * 0.8) for i in range(40)]
    one_hot.set_entries(rows)
    assert set(map(type, MapClasses(one_hot, ('anger', 'fear')).column('gt_score'))) == {type(None)}
    kept = MapClasses(one_hot, ('neutral', 'fear'))
    assert {round(float(score.sum()), 5) for score in kept.column('gt_score')} == {0.8}


def test_votes_follow_the_classes():
    plain = SynthFER(num_samples=60, size=16, num_classes=8, temperature=0.5)
    votes = np.stack(plain.column('votes'))
    reverse = MapClasses(plain, plain.classes[::-1])
    np.testing.assert_array_equal(np.stack(reverse.column('votes')), votes[:, ::-1])
    # nothing is left of the votes of a sample, as where a label came from elsewhere
    plain.set_entries([dict(plain.entry(i), votes=np.eye(8, dtype=int)[4] * (i % 2 + 1)) for i in range(60)])
    assert set(map(type, MapClasses(plain, plain.classes[:2]).column('votes'))) == {type(None)}


def test_labels_follow_votes_that_are_added():
    people = [  # label, votes by class
        ('neutral', dict(neutral=4, fear=3, anger=3)),
        ('contempt', dict(contempt=4, fear=3, anger=3)),
        ('contempt', dict(contempt=6, fear=4)),
        ('neutral', dict(neutral=5, fear=3, anger=2)),  # equal: the label stays
        ('fear', dict(neutral=5, fear=5)),
        ('neutral', dict(neutral=1, fear=9)),  # a label from elsewhere
    ]
    plain = SynthFER(num_samples=1, size=16, num_classes=8)
    votes = [np.array([counts.get(name, 0) for name in plain.classes]) for _, counts in people]
    labels = [plain.classes.index(name) for name, _ in people]
    plain.set_entries([dict(plain.entry(0), gt_label=k, votes=n) for k, n in zip(labels, votes)])
    mapped = MapClasses(plain, ('negative', 'neutral'), dict(fear='negative', anger='negative'))
    assert mapped.get_gt_labels().tolist() == [0, 0, 1, 0, 1]
    assert np.stack(mapped.column('votes')).tolist() == [[6, 4], [6, 0], [5, 5], [5, 5], [9, 1]]
    assert mapped.protocol.endswith('left out: 1 of contempt')


def test_clean_labels_follow_and_wrappers_nest():
    noisy = NoisyLabels(SYNTH, rate=0.5)
    mapped = MapClasses(noisy, noisy.classes[::-1])
    assert mapped.column('clean_label') == [6 - label for label in noisy.column('clean_label')]
    again = NoisyLabels(mapped, rate=0.5, seed=1)
    assert again.classes == mapped.classes
    assert noisy.classes[0] == 'neutral'


def test_synonyms_are_the_same_name():
    plain = SynthFER(num_samples=60, size=16)
    mapped = MapClasses(plain, ('Happy', 'sad', 'neutral'), dict(Scared='SAD'))
    counts = plain.class_counts()
    assert mapped.classes == ('Happy', 'sad', 'neutral')
    assert mapped.class_counts() == dict(
        Happy=counts['happiness'], sad=counts['sadness'] + counts['fear'], neutral=counts['neutral']
    )
    assert 'fear counts as SAD, left out: ' in mapped.protocol


def test_wrong_arguments():
    with pytest.raises(ValueError, match='no samples are left'):
        MapClasses(SYNTH, ('contempt', 'boredom'))
    for classes in ('anger', ('anger', 'anger'), ('anger', 'angry'), ('Bored', 'bored')):
        with pytest.raises(ValueError, match='must be a sequence of different names'):
            MapClasses(SYNTH, classes)
    for mapping, name in ((dict(feer='anger'), 'feer'), (dict(fear='angr'), 'angr')):
        with pytest.raises(ValueError, match=f'mapping names {name}, which neither the data set'):
            MapClasses(SYNTH, ('anger', 'disgust'), mapping)
