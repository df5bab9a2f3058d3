from itertools import product

import numpy as np
import pytest
from scipy import stats

from mmfer.evaluation.functional.significance import holm, mcnemar, sign_flip


@pytest.mark.parametrize(('b', 'c'), [(0, 0), (1, 0), (3, 3), (10, 2), (2, 10), (40, 61), (700, 800), (0, 3000)])
def test_mcnemar_is_the_binomial_test(b, c):
    first = np.repeat([1, 0, 1, 0], [b, c, 5, 6])
    second = np.repeat([0, 1, 1, 0], [b, c, 5, 6])
    expected = stats.binomtest(b, b + c).pvalue if b + c else 1
    result = mcnemar(first, second)
    assert result == (b, c, pytest.approx(expected, rel=1e-9, abs=1e-12))


def test_holm_by_brute_force():
    rng = np.random.default_rng(0)
    for size in (1, 2, 5, 12):
        p = rng.random(size).round(1) * 0.2
        expected = []
        for value in p:  # the smallest level at which the step-down procedure rejects it
            for level in sorted({min(1, q * m) for q in p for m in range(1, size + 1)} | {0, 1}):
                left = sorted(p)
                while left and left[0] * len(left) <= level + 1e-15:
                    left.pop(0)
                if level == 1 or not left or value < left[0]:
                    expected.append(level)
                    break
        np.testing.assert_allclose(holm(p), expected, atol=1e-12)


def test_holm_examples():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.6, 0.7]), [1, 1])
    np.testing.assert_allclose(holm([0.02, np.nan, 0.03]), [0.04, np.nan, 0.04])
    assert holm([]).shape == (0,)


def test_bad_input():
    with pytest.raises(ValueError, match='p_values'):
        holm([0.5, 1.2])
    with pytest.raises(ValueError, match='first_correct is neither 0 nor 1 in 1 of 2'):
        mcnemar([1, 2], [0, 0])
    with pytest.raises(ValueError, match='second_correct has shape'):
        mcnemar([1, 1], [0])
    with pytest.raises(ValueError, match='NaN'):
        sign_flip([np.nan])


def test_sign_flips_are_mcnemar_for_one_seed_and_every_sign_for_several():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 60)) < 0.7
    assert sign_flip(first.astype(float) - second) == pytest.approx(mcnemar(first, second))
    differences = rng.integers(-3, 4, 12) / 3
    signs = np.array(list(product((-1, 1), repeat=12)))
    expected = np.mean(np.abs(signs @ np.abs(differences)) >= abs(differences.sum()) - 1e-9)
    assert sign_flip(differences, seeds=3).p_value == pytest.approx(expected)
    assert sign_flip(np.zeros(5)) == (0, 0, 1)
    assert sign_flip(np.ones(3000)).p_value < 1e-12
    with pytest.raises(ValueError, match='no multiples of 1 / 2'):
        sign_flip([1 / 3, 0.5], seeds=2)
