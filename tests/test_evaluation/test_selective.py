from itertools import permutations

import numpy as np
import pytest

from mmfer.evaluation.functional.ranking import rank_samples
from mmfer.evaluation.functional.selective import (
    accuracy_at_coverage,
    aurc,
    best_aurc,
    excess_aurc,
    risk_coverage,
)


def risks(uncertainty, wrong):
    """Expected risk at each number of answers, over all orders of the samples that the uncertainty allows."""
    size = len(wrong)
    curves = []
    for order in permutations(range(size)):
        if all(uncertainty[a] <= uncertainty[b] for a, b in zip(order, order[1:])):
            curves.append(np.cumsum(np.array(wrong)[list(order)]) / np.arange(1, size + 1))
    return np.mean(curves, axis=0)


@pytest.mark.parametrize('seed', range(6))
def test_agrees_with_all_orders(seed):
    rng = np.random.default_rng(seed)
    uncertainty, wrong = rng.integers(0, (2, 3, 100)[seed % 3], 7), rng.random(7) < 0.4
    ranks = rank_samples(uncertainty, wrong)
    expected = risks(uncertainty, wrong)
    coverage, risk = risk_coverage(ranks)
    np.testing.assert_allclose(coverage, np.arange(1, 8) / 7)
    np.testing.assert_allclose(risk, expected, atol=1e-12)
    assert aurc(ranks) == pytest.approx(expected.mean(), abs=1e-12)
    best = risks(np.arange(7), np.sort(wrong)).mean()
    assert best_aurc(ranks) == pytest.approx(best, abs=1e-12)
    assert excess_aurc(ranks) == pytest.approx(expected.mean() - best, abs=1e-12)
    for share in (0.1, 0.5, 0.8, 0.9, 1):
        answered = int(np.ceil(share * 7))
        assert accuracy_at_coverage(ranks, share) == pytest.approx(1 - expected[answered - 1], abs=1e-12)


def test_weights_repeat_samples():
    rng = np.random.default_rng(0)
    uncertainty, wrong = rng.random(80).round(1), rng.random(80) < 0.3
    weights = rng.multinomial(80, np.full(80, 1 / 80), size=(2, 2))
    for function in (aurc, best_aurc, excess_aurc, lambda r: accuracy_at_coverage(r, 0.9)):
        weighted = function(rank_samples(uncertainty, wrong, weights))
        for i, j in np.ndindex(2, 2):
            drawn = np.repeat(np.arange(80), weights[i, j])
            assert weighted[i, j] == pytest.approx(function(rank_samples(uncertainty[drawn], wrong[drawn])), abs=1e-10)


def test_no_errors_and_only_errors():
    for wrong in (0, 1):
        ranks = rank_samples([0.3, 0.1, 0.1], [wrong] * 3)
        assert aurc(ranks) == best_aurc(ranks) == wrong
        assert excess_aurc(ranks) == 0
        assert accuracy_at_coverage(ranks, 0.8) == 1 - wrong


def test_constant_uncertainty_is_the_error_rate():
    ranks = rank_samples(np.zeros(10), np.arange(10) < 3)
    assert aurc(ranks) == pytest.approx(0.3, abs=1e-12)
    assert accuracy_at_coverage(ranks, 0.8) == pytest.approx(0.7, abs=1e-12)


def test_one_sample_and_none():
    assert aurc(rank_samples([0.5], [1])) == 1
    empty = rank_samples([], [])
    assert np.isnan([aurc(empty), best_aurc(empty), excess_aurc(empty), accuracy_at_coverage(empty, 0.9)]).all()
    assert [len(axis) for axis in risk_coverage(empty)] == [0, 0]


def test_coverage_is_not_rounded_up_by_floats():
    """0.9 of 10 is 9 answers, 0.95 of 20 is 19."""
    for size, share in ((10, 0.9), (20, 0.95), (100, 0.8), (1000, 0.95)):
        ranks = rank_samples(np.arange(size), np.arange(size) == round(size * share))  # the first one beyond is wrong
        assert accuracy_at_coverage(ranks, share) == 1


def test_bad_arguments():
    ranks = rank_samples([0.1, 0.2], [0, 1])
    with pytest.raises(ValueError, match='coverage=90'):
        accuracy_at_coverage(ranks, 90)
    with pytest.raises(ValueError, match='one ranking at a time'):
        risk_coverage(rank_samples([0.1, 0.2], [0, 1], np.ones((3, 2))))
