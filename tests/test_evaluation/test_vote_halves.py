import numpy as np
import pytest
from scipy import stats

from mmfer.evaluation.functional.vote_halves import compare_halves, half_posterior, split_votes
from mmfer.evaluation.functional.votes import dirichlet_multinomial_nll


def make_votes(size=3000, concentration=(2.0, 1.0, 0.5), people=10, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(concentration, size)
    return p, rng.multinomial(people, p)


def test_halves_are_drawn_without_replacement():
    n = np.tile([6, 3, 1], (20_000, 1))
    first, second = split_votes(n, 1)
    assert (first + second == n).all()
    assert (first.sum(1) == 5).all()
    frequencies = np.bincount(first[:, 0], minlength=7) / len(n)
    assert frequencies == pytest.approx(stats.hypergeom(10, 6, 5).pmf(np.arange(7)), abs=0.015)
    assert (split_votes(n, 1)[0] == first).all()
    assert (split_votes(n, 2)[0] != first).any()


def test_the_prior_is_found_again():
    """Of faces drawn from a Dirichlet distribution the posterior is the true one, and the best predictor."""
    alpha = np.array([2.0, 1.0, 0.5])
    _, n = make_votes()
    first, second = split_votes(n)
    posterior = half_posterior(first)
    prior = (posterior - first)[0]
    assert prior == pytest.approx(alpha, rel=0.15)
    told = dirichlet_multinomial_nll(posterior, second).mean()
    assert told == pytest.approx(dirichlet_multinomial_nll(first + alpha, second).mean(), abs=0.005)
    assert told < dirichlet_multinomial_nll(np.tile(alpha, (len(n), 1)), second).mean() - 0.3


def test_a_class_that_nobody_chose_stays_possible():
    posterior = half_posterior([[3, 0, 2], [1, 0, 4]])
    assert (posterior > 0).all()
    assert np.isfinite(posterior).all()


def test_who_knows_the_truth_tells_more_than_five_people_and_who_knows_nothing_less():
    p, n = make_votes()
    truth, nothing = (compare_halves(n, scores) for scores in (p, np.full_like(p, 1 / 3)))
    for name in ('nll', 'js'):
        half = truth[name].mean()
        assert (nothing[name] == truth[name]).all()
        assert truth[f'{name}_model'].mean() < half < nothing[f'{name}_model'].mean()
    first, second = split_votes(n)
    assert truth['entropy'] == pytest.approx(stats.entropy(first, axis=1), abs=1e-12)
    assert truth['entropy_other'] == pytest.approx(stats.entropy(second, axis=1), abs=1e-12)
    assert truth['nll_model'] == pytest.approx(-(second * np.log(p)).sum(1), abs=1e-9)


def test_single_votes_cannot_be_compared():
    with pytest.raises(ValueError, match='votes: all zero in 1 of 2 rows'):
        compare_halves([[1, 0], [2, 2]], [[0.5, 0.5], [0.5, 0.5]])
