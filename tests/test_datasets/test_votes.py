from itertools import product

import numpy as np
import pytest
from scipy import stats

from mmfer.datasets import SynthFER
from mmfer.datasets.votes import VoteSubset, votes_problem

VOTES = np.array([5, 0, 3, 2])


def test_each_subset_is_as_likely_as_by_drawing_without_replacement():
    few = VoteSubset(None, 4)
    drawn = np.stack([few(VOTES, f'{face}.png') for face in range(5000)])
    assert (drawn.sum(1) == 4).all()
    assert drawn.dtype == np.int64
    outcomes = [each for each in product(*(range(number + 1) for number in VOTES)) if sum(each) == 4]
    expected = 5000 * stats.multivariate_hypergeom.pmf(outcomes, VOTES, 4)
    observed = [(drawn == each).all(1).sum() for each in outcomes]
    assert stats.chisquare(observed, expected).pvalue > 0.01
    mean, covariance = stats.multivariate_hypergeom.mean(VOTES, 4), stats.multivariate_hypergeom.cov(VOTES, 4)
    np.testing.assert_allclose(drawn.mean(0), mean, atol=0.03)
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.03)


def test_faces_and_seeds_are_drawn_apart():
    """The draws of two faces, or of one by two seeds, do not go together."""
    faces = [f'{face}.png' for face in range(2000)]
    first, again, second = ([VoteSubset(None, 1, seed)(VOTES, face) for face in faces] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    labels, others = (np.argmax(drawn, 1) for drawn in (first, second))
    for a, b in ((labels, others), (labels[1:], labels[:-1])):
        table = stats.contingency.crosstab(a, b).count
        assert stats.chi2_contingency(table).pvalue > 0.01


def test_a_larger_subset_holds_a_smaller_one_and_ends_with_all():
    subsets = np.stack([VoteSubset(None, count)(VOTES, 'a.png') for count in range(1, 13)])
    assert subsets.sum(1).tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10]
    assert (np.diff(subsets, axis=0) >= 0).all()
    assert (subsets[9:] == VOTES).all()
    np.testing.assert_array_equal(VoteSubset(None, None)(VOTES, 'a.png'), VOTES)
    assert VOTES.tolist() == [5, 0, 3, 2]


@pytest.mark.parametrize('options', [dict(votes_used=0), dict(votes_used=2.0), dict(votes_used=3, votes_seed=-1)])
def test_wrong_options(options):
    with pytest.raises(ValueError, match=f'SynthFER: {[*options][-1]}=.* must be an integer'):
        SynthFER(num_samples=2, **options)


@pytest.mark.parametrize(
    ('votes', 'problem'),
    [
        ([1, -1, 3], '[1, -1, 3] have negative numbers'),
        ([1.5, 0, 1], '[1.5, 0, 1] are not whole numbers'),
        (np.array([1, np.nan, 1]), '[ 1. nan  1.] are not whole numbers'),
        (np.array([1, np.inf, 1]), '[ 1. inf  1.] are not whole numbers'),
        (['1', '0', '2'], "['1', '0', '2'] are not whole numbers"),
        ([[1, 0], [1]], '[[1, 0], [1]] are not whole numbers'),
        (3, '3 are not whole numbers'),
        ([0, 0, 0], '[0, 0, 0] are all zero'),
        ([1, 2], '[1, 2] are 2 numbers for 3 classes'),
    ],
)
def test_what_votes_cannot_be(votes, problem):
    assert votes_problem(votes, 3) == problem


@pytest.mark.parametrize('votes', [[0, 1, 9], np.array([0, 1, 9], dtype=np.int32), [2.0, 0.0, 1.0]])
def test_what_votes_can_be(votes):
    assert votes_problem(votes, 3) == votes_problem(votes) == ''
