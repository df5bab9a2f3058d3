import itertools
from collections import Counter
from math import lgamma

import numpy as np
import pytest
from scipy import stats

from mmfer.evaluation.functional import votes as V


def some(faces=30, samples=7, classes=4, people=10, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(classes), (faces, samples))
    return p, np.stack([rng.multinomial(people, each[0]) for each in p])


def coefficients(n):
    return np.array([lgamma(row.sum() + 1) - sum(lgamma(k + 1) for k in row) for row in n])


def counts_of(people, classes):
    """Every way in which so many people can vote."""
    answers = itertools.combinations_with_replacement(range(classes), people)
    return np.array([[Counter(each)[k] for k in range(classes)] for each in answers])


def test_one_sample_is_a_multinomial():
    p, n = some(samples=1)
    expected = np.array([-stats.multinomial(10, q[0]).logpmf(k) for q, k in zip(p, n)])
    assert V.joint_nll(p, n) == pytest.approx(expected + coefficients(n), abs=1e-9)
    assert V.joint_nll(p, n) == pytest.approx(-(n * np.log(p[:, 0])).sum(1), abs=1e-12)


@pytest.mark.parametrize(('classes', 'people'), [(2, 5), (3, 4)])
def test_the_probabilities_of_all_votes_sum_to_one(classes, people):
    every = counts_of(people, classes)
    p, _ = some(1, 5, classes)
    nll = V.joint_nll(np.repeat(p, len(every), 0), every)
    direct = [-np.log(np.mean([np.prod(q**n) for q in p[0]])) for n in every]
    assert nll == pytest.approx(direct, abs=1e-12)
    assert np.exp(coefficients(every) - nll).sum() == pytest.approx(1, abs=1e-12)
    alpha = np.full((len(every), classes), 0.3) + np.arange(classes)
    nll = V.dirichlet_multinomial_nll(alpha, every)
    assert np.exp(coefficients(every) - nll).sum() == pytest.approx(1, abs=1e-12)


def test_impossible_votes_stay_finite_and_many_do_not_underflow():
    assert V.joint_nll([[[1.0, 0.0]]], [[0, 1]])[0] == pytest.approx(87.336, abs=1e-3)
    assert V.joint_nll([[[0.5, 0.5]] * 3], [[5000, 0]])[0] == pytest.approx(5000 * np.log(2))


def test_the_closed_form_of_two_classes_is_the_beta_binomial():
    rng = np.random.default_rng(1)
    alpha = rng.gamma(2.0, 1.0, (50, 2))
    n = np.stack([k := rng.integers(0, 11, 50), 10 - k], 1)
    expected = -stats.betabinom(10, *alpha.T).logpmf(n[:, 0]) + coefficients(n)
    assert V.dirichlet_multinomial_nll(alpha, n) == pytest.approx(expected, abs=1e-9)


def test_the_closed_form_is_the_limit_of_samples_and_of_a_multinomial():
    alpha = np.array([[1.5, 0.7, 3.0]])
    n = np.array([[4, 1, 5]])
    draws = np.random.default_rng(0).dirichlet(alpha[0], 400_000)[None]
    assert V.joint_nll(draws, n) == pytest.approx(V.dirichlet_multinomial_nll(alpha, n), abs=0.01)
    share = alpha / alpha.sum()
    assert V.dirichlet_multinomial_nll(1e12 * share, n) == pytest.approx(V.joint_nll(share[None], n), abs=1e-9)


def test_the_joint_likelihood_knows_the_width():
    """Of faces drawn from Gaussian logits, only the right deviation is best; each vote alone cannot tell."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(1500, 400, 3))
    logits = rng.normal(0, 1.5, (1500, 1, 3))

    def samples(std):
        powers = np.exp(logits + std * noise)
        return powers / powers.sum(2, keepdims=True)

    n = rng.multinomial(10, samples(1.0)[:, 0])
    joint = {std: V.joint_nll(samples(std)[:, 1:], n).mean() for std in (0.05, 0.5, 1.0, 1.5, 2.5)}
    assert min(joint, key=joint.get) == 1.0
    assert joint[0.05] > joint[1.0] + 0.3


def test_entropy_of_few_votes_is_too_low():
    p = np.random.default_rng(0).dirichlet(np.full(3, 2.0), 4000)
    n = np.random.default_rng(1).multinomial(10, p)
    assert V.vote_entropy(n) == pytest.approx(stats.entropy(n, axis=1), abs=1e-12)
    assert V.vote_entropy(n).mean() < stats.entropy(p, axis=1).mean() - 0.05


def test_disagreement_has_no_bias():
    rng = np.random.default_rng(0)
    p = np.array([0.6, 0.3, 0.1])
    for people in (2, 5):
        every = counts_of(people, 3)
        expected = (stats.multinomial(people, p).pmf(every) * V.disagreement(every)).sum()
        assert expected == pytest.approx(1 - np.square(p).sum(), abs=1e-12)
    samples = rng.dirichlet(np.ones(3), (1, 50))
    pairs = [1 - sum(q[k] * q[k] for k in range(3)) for q in samples[0]]
    assert V.predicted_disagreement(samples) == pytest.approx([np.mean(pairs)], abs=1e-12)


def test_parts_of_the_uncertainty():
    p, _ = some()
    total, aleatoric, epistemic, width = V.uncertainty_parts(p)
    assert total == pytest.approx(stats.entropy(p.mean(1), axis=1), abs=1e-12)
    assert aleatoric == pytest.approx(stats.entropy(p, axis=2).mean(1), abs=1e-12)
    assert epistemic == pytest.approx(total - aleatoric, abs=1e-12)
    assert width == pytest.approx(np.sqrt(np.mean([q.var(0) for q in p], axis=1)), abs=1e-12)
    for part in V.uncertainty_parts(np.repeat(p[:, :1], 9, 1))[2:]:
        assert (part == 0).all()


@pytest.mark.parametrize(
    ('votes', 'told'),
    [
        ([[1, 2], [-1, 3]], r'votes: negative in 1 of 2 rows \(first: 1\); give how many people'),
        ([[0.5, 0.5]], 'votes: not whole in 1 of 1 rows'),
        ([[np.nan, 1]], 'votes: not whole'),
        ([[np.inf, 1]], 'votes: not whole'),
        ([[0, 0]], 'votes: all zero in 1 of 1 rows'),
        ([[1, 2, 3]], r'votes must have shape \(N, 2\), not \(1, 3\)'),
        ([1, 2], 'votes must have shape'),
    ],
)
def test_bad_votes(votes, told):
    with pytest.raises(ValueError, match=told):
        V.joint_nll(np.full((len(votes), 3, 2), 0.5), votes)


def test_bad_predictions():
    for samples, told in (
        (np.full((1, 2, 2), 0.4), 'samples does not sum to 1 in 2 of 2 rows'),
        ([[[1.5, -0.5]]], 'samples is negative'),
        ([[[np.nan, 1.0]]], 'samples is not finite'),
        ([[0.5, 0.5]], r'samples must have shape \(N, S, K\), not \(1, 2\)'),
    ):
        with pytest.raises(ValueError, match=told):
            V.joint_nll(samples, [[1, 1]])
    with pytest.raises(ValueError, match='votes of 2 faces with samples of 1'):
        V.joint_nll([[[0.5, 0.5]]], [[1, 1], [1, 0]])
    with pytest.raises(ValueError, match='concentration is not finite and above 0'):
        V.dirichlet_multinomial_nll([[0.0, 1.0]], [[1, 1]])
    with pytest.raises(ValueError, match='must have the same shape'):
        V.dirichlet_multinomial_nll([[1.0, 1.0, 1.0]], [[1, 1]])
