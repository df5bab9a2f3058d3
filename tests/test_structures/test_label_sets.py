import numpy as np
import pytest

from mmfer.structures.label_sets import check_sets, find_sets, name_set, set_scores, set_words

PROBS = np.array([[0.1, 0.5, 0.05, 0.35], [0.97, 0.01, 0.02, 0.0]])


@pytest.mark.parametrize(('method', 'options'), [('aps', {}), ('raps', dict(penalty=0.2, free=2)), ('lac', {})])
def test_scores_follow_the_formulas(method, options):
    expected = np.zeros_like(PROBS)
    for i, row in enumerate(PROBS):
        for k, p in enumerate(row):
            rank = 1 + sum(other > p for other in row)
            before = sum(other for other in row if other > p)
            penalty = options.get('penalty', 0) * max(0, rank - options.get('free', 1))
            expected[i, k] = 0 if rank == 1 else 1 - p if method == 'lac' else before + penalty
    np.testing.assert_allclose(set_scores(PROBS, method, **options), expected, atol=1e-12)


def test_the_set_is_the_smallest_that_holds_more_than_the_threshold():
    rows = np.random.default_rng(0).dirichlet(np.full(6, 0.5), 200)
    for threshold in (0.0, 0.3, 0.8, 0.95):
        inside = find_sets(rows, dict(method='aps', threshold=threshold))
        for row, own in zip(rows, inside):
            held = np.cumsum(np.sort(row)[::-1])
            assert own.sum() == 1 + (held[:-1] <= threshold).sum()
            assert row[own].min() >= row[~own].max(initial=0)


@pytest.mark.parametrize('method', ['aps', 'raps', 'lac', 'votes'])
@pytest.mark.parametrize('threshold', [0.0, [0.0] * 4])
def test_no_set_is_empty(method, threshold):
    sets = dict(method=method, threshold=threshold, penalty=0.5, free=1)
    rows = np.concatenate([PROBS, np.full((1, 4), 0.25)])
    inside = find_sets(rows, sets)
    assert inside.sum(1).tolist() == [1, 1, 1]
    assert inside[np.arange(3), rows.argmax(1)].all()
    if method != 'raps':
        assert find_sets(rows, dict(sets, threshold=1.0)).all()


def test_names_come_by_their_probability():
    sets = dict(method='aps', threshold=0.6)
    assert name_set(PROBS[0], 'abcd', sets) == ('b', 'd')
    assert name_set(PROBS[1], 'abcd', sets) == ('a',)
    assert name_set(PROBS[0], 'abcd', dict(sets, threshold=[0.86, 0, 0, 0.1])) == ('b', 'a')  # a threshold a class


def test_words():
    assert set_words(('a', 'b', 'c'), 4) == 'a, b or c'
    assert set_words(('a',), 4) == 'a'
    assert set_words(tuple('abcd'), 4) == 'any expression'


@pytest.mark.parametrize(
    'sets',
    [
        dict(method='platt', threshold=0.5),
        dict(method='aps'),
        dict(method='aps', threshold=[0.5, 0.5]),
        dict(method='aps', threshold=-0.1),
        dict(method='aps', threshold=float('nan')),
    ],
)
def test_sets_of_a_damaged_file(sets):
    with pytest.raises(ValueError, match='sets'):
        check_sets(sets, 4)
