import numpy as np
import pytest

from mmfer.datasets.fer_plus_rules import argmax, distribution, majority


@pytest.mark.parametrize(
    ('votes', 'expected'),
    [
        ((6, 0, 1, 0, 3), 0),
        ((5, 0, 0, 4, 1), 0),  # 5 of the 9 that count
        ((5, 0, 0, 5), None),
        ((4, 0, 0, 3, 3), None),
        ((0, 2, 1, 1, 1, 1, 1, 1, 1, 1), 1),
        ((1, 1, 1, 1, 1, 1, 1, 1, 1, 1), None),
        ((4, 0, 0, 0, 0, 0, 0, 0, 6), None),
        ((0, 0, 0, 0, 0, 0, 0, 0, 0, 10), None),
    ],
)
def test_majority(votes, expected):
    votes = np.array((*votes, *[0] * (10 - len(votes))))
    kept = majority(votes)
    assert (None if kept is None else int(kept.argmax())) == expected
    assert kept is None or kept.tolist() == votes[:8].tolist()


@pytest.mark.parametrize(
    ('votes', 'expected'),
    [
        ((6, 0, 1, 0, 3), {0: 6, 4: 3}),
        ((8, 0, 0, 2), {0: 8}),  # the second is not needed for 75 %
        ((4, 3, 3), {0: 4, 1: 3, 2: 3}),
        ((4, 2, 2, 2), None),  # four answers by equal votes
        ((2, 2, 2, 2, 2), None),
        ((6, 0, 0, 0, 0, 0, 0, 0, 4), {0: 6}),  # unknown ends it
        ((5, 0, 0, 0, 0, 0, 0, 0, 5), None),  # not more than half
        ((3, 3, 0, 0, 0, 0, 0, 0, 3), {0: 3, 1: 3}),  # equal to unknown, but two thirds
        ((4, 0, 0, 0, 0, 0, 0, 0, 6), None),
        ((1,) * 10, None),
    ],
)
def test_distribution(votes, expected):
    kept = distribution(np.array((*votes, *[0] * (10 - len(votes)))))
    assert (None if kept is None else kept.tolist()) == (expected and [expected.get(i, 0) for i in range(8)])


@pytest.mark.parametrize(
    ('votes', 'expected'),
    [
        ((4, 0, 0, 4, 2), 0),  # the first of equals
        ((0, 5, 0, 0, 0, 0, 0, 0, 5), 1),
        ((0, 0, 0, 4, 0, 0, 0, 0, 6), None),
        ((1,) * 10, 0),
    ],
)
def test_argmax(votes, expected):
    votes = np.array((*votes, *[0] * (10 - len(votes))))
    kept = argmax(votes)
    assert (None if kept is None else int(kept.argmax())) == expected
    assert kept is None or kept.tolist() == votes[:8].tolist()
