import numpy as np
import pytest
from scipy import stats

from mmfer.evaluation.functional.correlation import entropy, midranks, pearson, rank_correlation


@pytest.mark.parametrize('decimals', [0, 1, 9])
def test_agree_with_scipy(decimals):
    rng = np.random.default_rng(decimals)
    a = rng.normal(size=120).round(decimals)
    b = (a + rng.normal(size=120)).round(decimals)
    np.testing.assert_array_equal(midranks(a), stats.rankdata(a))
    assert rank_correlation(a, b) == pytest.approx(stats.spearmanr(a, b)[0], abs=1e-10)
    assert pearson(a, b) == pytest.approx(stats.pearsonr(a, b)[0], abs=1e-10)


def test_entropy_agrees_with_scipy():
    votes = np.random.default_rng(0).multinomial(10, np.full(7, 1 / 7), 50)
    np.testing.assert_allclose(entropy(votes), stats.entropy(votes, axis=1), atol=1e-12)
    assert entropy(np.eye(3)).tolist() == [0, 0, 0]
    assert entropy(np.full((1, 8), 1 / 8))[0] == pytest.approx(np.log(8))


def test_same_votes_for_other_classes_are_tied():
    rng = np.random.default_rng(0)
    row = (rng.multinomial(10, np.full(8, 1 / 8)) / 10).astype(np.float32)
    rows = np.stack([rng.permutation(row) for _ in range(200)])
    assert len(set(entropy(rows))) == 1
    assert len(set(entropy(0.9 * rows))) == 1
    votes = np.array([[6, 2, 1, 1], [3, 4, 0, 3]])  # 6^6 2^2 = 4^4 3^3 3^3
    assert len(set(entropy(np.concatenate([votes, votes / 10, votes / 7])))) == 1


def test_weights_repeat_samples():
    rng = np.random.default_rng(0)
    a, b = rng.random(50).round(1), rng.random(50).round(1)
    weights = rng.multinomial(50, np.full(50, 1 / 50), size=(2, 2))
    weighted = rank_correlation(a, b, weights)
    for i, j in np.ndindex(2, 2):
        drawn = np.repeat(np.arange(50), weights[i, j])
        assert weighted[i, j] == pytest.approx(stats.spearmanr(a[drawn], b[drawn])[0], abs=1e-10)


def test_extremes():
    assert rank_correlation([1, 2, 3], [0, 1, np.inf]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)


@pytest.mark.parametrize(('a', 'b'), [([], []), ([1], [2]), ([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [0.1, 0.1, 0.1])])
def test_undefined(a, b):
    assert np.isnan(rank_correlation(a, b))
    assert np.isnan(pearson(np.array(a, float), np.array(b, float)))


@pytest.mark.parametrize('constant', [0.1, 0.7, -1 / 3, 1e9 + 0.1])
def test_a_constant_that_rounds_has_no_correlation(constant):
    for size in (3, 10, 1000):
        weights = np.random.default_rng(0).integers(0, 4, (2, size))
        constants, values = np.full(size, constant), np.arange(size) / 7
        assert np.isnan(pearson(constants, values))
        assert np.isnan(pearson(values, constants, weights)).all()


def test_bad_input():
    with pytest.raises(ValueError, match='b is NaN in 1 of 2'):
        rank_correlation([1, 2], [1, np.nan])
    with pytest.raises(ValueError, match=r'b has shape \(3,\), expected \(2,\)'):
        rank_correlation([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match='all zero'):
        entropy([[0, 0]])
    with pytest.raises(ValueError, match=r'shape \(N, K\)'):
        entropy([0.5, 0.5])
