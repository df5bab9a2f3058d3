import numpy as np
import pytest
from base_install import base_python
from scipy import stats

from mmfer.structures.votes import central_interval, count_probabilities, vote_interval


def some(size=(20, 30), classes=8, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.4), size)


@pytest.mark.parametrize('people', [1, 2, 7, 10, 60])
def test_the_mixture_of_binomials(people):
    samples = some()
    expected = stats.binom.pmf(np.arange(people + 1), people, samples[..., None]).mean(1)
    found = count_probabilities(samples, people)
    assert found == pytest.approx(expected, abs=1e-12)
    assert found.sum(-1) == pytest.approx(np.ones((20, 8)), abs=1e-12)
    assert (count_probabilities(samples[3], people) == found[3]).all()  # the same alone as among others


@pytest.mark.parametrize('level', [0.5, 0.8, 0.9, 0.95, 0.99])
def test_the_interval_is_the_smallest_central_one(level):
    samples = some((200, 5), 4)
    low, high = vote_interval(samples, 10, level)
    assert low.shape == high.shape == (200, 4)
    assert low.dtype == high.dtype == np.int64
    probabilities = count_probabilities(samples, 10)
    counts = np.arange(11)

    def below(end):
        return (probabilities * (counts < end[..., None])).sum(-1)

    def above(end):
        return (probabilities * (counts > end[..., None])).sum(-1)

    tail = (1 - level) / 2 + 1e-12
    assert (below(low) <= tail).all()
    assert (above(high) <= tail).all()
    assert (1 - below(low) - above(high) >= level - 1e-12).all()
    # a vote less at either end leaves out too much
    assert (below(low + 1) > tail - 2e-12).all()
    assert (above(high - 1) > tail - 2e-12).all()


def test_a_tail_of_just_the_allowed_probability_is_left_out():
    for tail in (0.05, 0.1, 0.15, 0.25):
        low, high = central_interval([tail, 1 - 2 * tail, tail], 1 - 2 * tail)
        assert (int(low), int(high)) == (1, 1)
        low, high = central_interval([tail + 1e-9, 1 - 2 * tail - 2e-9, tail + 1e-9], 1 - 2 * tail)
        assert (int(low), int(high)) == (0, 2)


def test_no_spread_leaves_the_binomial_and_certainty_one_count():
    low, high = vote_interval([[0.3, 0.7]], 10, 0.9)
    assert ([*low], [*high]) == (*(stats.binom.ppf(q, 10, [0.3, 0.7]).astype(int).tolist() for q in (0.05, 0.95)),)
    low, high = vote_interval([[1.0, 0.0]], 10)
    assert (low.tolist(), high.tolist()) == ([10, 0], [10, 0])
    narrow, wide = (np.subtract(*vote_interval(x, 10)[::-1]) for x in ([[0.5, 0.5]], [[0.2, 0.8], [0.8, 0.2]]))
    assert (wide > narrow).all()


@pytest.mark.parametrize(
    ('call', 'told'),
    [
        (lambda: vote_interval([[0.5, 0.5]], 0), 'people=0'),
        (lambda: vote_interval([[0.5, 0.5]], 2.5), r'people=2\.5'),
        (lambda: vote_interval([0.5, 0.5]), r'samples must have shape \(\.\.\., S, K\), not \(2,\)'),
        (lambda: vote_interval(np.zeros((2, 0, 3))), 'samples must have shape'),
        (lambda: vote_interval([[2.0, -1.0]]), 'apply a softmax first'),
        (lambda: vote_interval([[np.nan, 1.0]]), 'apply a softmax first'),
        (lambda: vote_interval([[0.5, 0.5]], level=90), 'level=90'),
        (lambda: central_interval([1.0], 0.0), r'level=0\.0'),
    ],
)
def test_bad_input(call, told):
    with pytest.raises(ValueError, match=told):
        call()


def test_inference_needs_nothing_of_the_training():
    code = 'from mmfer.structures.votes import vote_interval; print(*vote_interval([[0.5, 0.5]], 4))'
    result = base_python(code)
    assert result.stdout.split('\n')[0] == '[0 0] [4 4]', result.stderr[-2000:]
