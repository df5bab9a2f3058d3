from itertools import permutations

import numpy as np
import pytest

from mmfer.evaluation import functional as F

CLASSES = ('neutral', 'happiness', 'sadness')


def answers(right, confidence=0.8, labels=None):
    """Scores (N, 3) that are right or not, and labels."""
    right = np.asarray(right, bool)
    labels = np.arange(len(right)) % 3 if labels is None else np.asarray(labels)
    scores = np.full((len(right), 3), (1 - confidence) / 2)
    scores[np.arange(len(right)), np.where(right, labels, (labels + 1) % 3)] = confidence
    return scores, labels


def compare(right, groups, name='accuracy', labels=None, **options):
    scores, labels = answers(right, labels=labels)
    return F.compare_groups(F.group_figure(name, scores, labels), groups, labels, classes=CLASSES, **options)


def test_values_worst_and_gap():
    right = [1] * 40 + [0] * 10 + [1] * 30 + [0] * 20 + [1] * 35 + [0] * 15
    groups = np.repeat(['40-69', '4-19', '70+'], 50)
    found = compare(right, groups)
    assert [(group.name, group.size, group.value) for group in found.groups] == [
        ('4-19', 50, 60.0),
        ('40-69', 50, 80.0),
        ('70+', 50, 70.0),
    ]
    for group in found.groups:
        ends = F.proportion_interval(np.repeat([1, 0], [round(group.value / 2), 50 - round(group.value / 2)]))
        assert (group.low, group.high) == pytest.approx([100 * end for end in ends])
    gap = found.gap
    assert (found.worst, gap.highest, gap.lowest, gap.value) == ('4-19', '40-69', '4-19', 20.0)
    assert gap.low < 20 < gap.high
    assert 5 < gap.expected < 15
    assert found.notes == []
    assert 'largest gap 20 % points (40-69 - 4-19)' in found.describe()
    # where lower is better the highest is worst
    assert compare(right, groups, 'nll', bootstrap=50, permutations=0).worst == '4-19'


def test_the_test_is_that_of_all_permutations():
    right, codes = np.array([1, 1, 1, 0, 1, 0, 0, 0, 1]), np.array([0, 0, 0, 0, 1, 1, 1, 1, 1])
    found = compare(right, codes.astype(str), min_size=1, permutations=4000, bootstrap=0)

    def distance(dealt):
        groups = [right[np.array(dealt) == code] for code in (0, 1)]
        errors = [(each.var() * len(each) + 20 * right.var()) / (len(each) + 20) / len(each) for each in groups]
        return abs(groups[0].mean() - groups[1].mean()) / np.sqrt(sum(errors))

    deals = {tuple(codes[list(order)]) for order in permutations(range(9))}
    exact = np.mean([distance(deal) >= distance(codes) - 1e-9 for deal in deals])
    assert found.gap.p_value == pytest.approx(exact, abs=0.03)


def face_set(rng, sizes, gap=0.0):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    chance = np.where(groups == len(sizes) - 1, 0.8 - gap, 0.8)
    return rng.random(len(groups)) < chance, groups.astype(str)


@pytest.mark.parametrize('sizes', [(150, 40), (90, 60, 40, 20, 12)])
def test_false_claims_and_power(sizes):
    """A short form of what docs/groups.md reports."""
    claims = dict.fromkeys((0.0, 0.5), 0)
    for gap in claims:
        for seed in range(100):
            right, groups = face_set(np.random.default_rng(seed), sizes, gap)
            found = compare(right, groups, bootstrap=0, permutations=99, seed=1000 + seed)
            claims[gap] += found.gap.p_value <= 0.05
    assert claims[0.0] <= 11  # 5 are expected, more than 11 with a chance of 0.4 %
    assert claims[0.5] >= 70  # the group that is served worse has 40 or 12 faces


def test_intervals_hold_all_differences():
    held = 0
    for seed in range(60):
        right, groups = face_set(np.random.default_rng(seed), (200, 100, 60), 0.1)
        gap = compare(right, groups, bootstrap=200, permutations=0, seed=seed).gap
        truth = 10 * ((gap.lowest == '2') - (gap.highest == '2'))
        held += gap.low <= truth <= gap.high
    assert held >= 53


def test_a_gap_of_classes_is_gone_within_classes():
    rng = np.random.default_rng(0)
    labels = np.concatenate([rng.choice(3, 400, p=[0.7, 0.2, 0.1]), rng.choice(3, 400, p=[0.1, 0.2, 0.7])])
    right = rng.random(800) < np.array([0.95, 0.8, 0.5])[labels]
    groups = np.repeat(['a', 'b'], 400)
    plain, within = (
        compare(right, groups, labels=labels, stratify=stratify, bootstrap=0) for stratify in (False, True)
    )
    assert plain.gap.value == within.gap.value > 15
    assert plain.gap.p_value < 0.01
    assert within.gap.p_value > 0.05
    assert within.gap.expected == pytest.approx(within.gap.value, abs=6)
    right[groups == 'b'] &= rng.random(400) < 0.8
    assert compare(right, groups, labels=labels, stratify=True, bootstrap=0).gap.p_value < 0.01


def test_a_figure_that_is_biased_in_small_groups_claims_nothing():
    claims = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        confidence = rng.uniform(0.4, 1, 330)
        scores = np.stack([confidence, (1 - confidence) * 0.6, (1 - confidence) * 0.4], axis=1)
        labels = np.array([rng.choice(3, p=row) for row in scores])
        figure = F.group_figure('ece', scores, labels)
        found = F.compare_groups(figure, np.repeat(['a', 'b'], [300, 30]), labels, bootstrap=0, permutations=59)
        claims += found.gap.p_value <= 0.05
    assert found.gap.expected > 5  # of a calibrated model
    assert claims <= 7


def test_small_missing_and_one_sided_groups_are_said():
    groups = ['a'] * 30 + ['b'] * 30 + ['c'] + [None, '', float('nan')]
    labels = [0] * 30 + [1, 2] * 15 + [0] * 4
    found = compare([1, 0] * 32, groups, labels=labels, bootstrap=50, permutations=50)
    assert found.notes == [
        '3 of 64 faces have no group: left out',
        'a has faces of one class alone: neutral',
        'c has 1 face, fewer than 10: not compared',
    ]
    assert [group.name for group in found.groups if group.compared] == ['a', 'b']
    within = compare([1, 0] * 32, groups, labels=labels, stratify=True, bootstrap=0)
    assert 'no class is in two of the groups: no test within classes' in within.notes
    assert np.isnan(within.gap.p_value)
    assert 'p =' not in within.describe()


@pytest.mark.parametrize(('groups', 'gap'), [(['a'] * 40, False), ([None] * 40, False), (['a', 'b'] * 20, True)])
@pytest.mark.parametrize('name', ['accuracy', 'mean_class_accuracy', 'nll', 'aurc', 'ece', 'selective_risk'])
def test_nothing_crashes(groups, gap, name):
    found = compare([1] * 40, groups, name, bootstrap=20, permutations=20)
    assert (found.gap is not None) == gap
    if gap:
        assert (found.gap.value, found.gap.p_value) == (0, 1)
    else:
        assert found.notes[-1] == found.describe() == 'fewer than two groups can be compared: no gap and no test'
    for group in found.groups:
        assert np.isfinite(group.value)
        assert np.isfinite(group.low) or any('no interval' in note for note in found.notes)


def test_groups_without_an_answer():
    scores, labels = answers([1, 0] * 20)
    figure = F.group_figure('selective_risk', scores, labels, np.repeat([0.1, 0.9], 20), threshold=0.5)
    found = F.compare_groups(figure, np.repeat(['a', 'b'], 20), labels)
    assert 'b: selective_risk is undefined for its 20 faces, not compared' in found.notes
    assert found.gap is None


def test_wrong_arguments():
    with pytest.raises(ValueError, match='3 groups, 4 labels and a figure of 4 faces'):
        compare([1] * 4, ['a'] * 3)
    with pytest.raises(ValueError, match='min_size=0 must be'):
        compare([1] * 4, ['a'] * 4, min_size=0)
    with pytest.raises(ValueError, match='level=95'):
        compare([1] * 4, ['a'] * 4, level=95)
