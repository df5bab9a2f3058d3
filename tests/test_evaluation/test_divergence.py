import numpy as np
import pytest
from scipy.spatial import distance
from scipy.stats import entropy

from mmfer.evaluation.functional import divergence as d

ALL = (d.kl_divergence, d.jensen_shannon, d.chebyshev, d.clark, d.canberra, d.cosine, d.intersection)


def distributions(seed, zeros):
    rng = np.random.default_rng(seed)
    truth, pred = rng.dirichlet(np.full(6, 0.5), (2, 40))
    if zeros:
        truth = rng.multinomial(10, truth.mean(0), 40) / 10  # votes
        pred = np.where(truth > 0, pred, pred * (rng.random(pred.shape) < 0.5))
        pred /= pred.sum(1, keepdims=True)
    return truth, pred


@pytest.mark.parametrize('zeros', [False, True])
@pytest.mark.parametrize('seed', range(2))
def test_agree_with_scipy(seed, zeros):
    truth, pred = distributions(seed, zeros)
    expected = {
        d.kl_divergence: [entropy(t, p) for t, p in zip(truth, pred)],
        d.jensen_shannon: [distance.jensenshannon(t, p) ** 2 for t, p in zip(truth, pred)],
        d.chebyshev: [distance.chebyshev(t, p) for t, p in zip(truth, pred)],
        d.canberra: [distance.canberra(t, p) for t, p in zip(truth, pred)],
        d.cosine: [1 - distance.cosine(t, p) for t, p in zip(truth, pred)],
        d.intersection: [1 - distance.cityblock(t, p) / 2 for t, p in zip(truth, pred)],
        d.clark: [np.sqrt(sum(((a - b) / (a + b)) ** 2 for a, b in zip(t, p) if a + b)) for t, p in zip(truth, pred)],
    }
    assert set(expected) == set(ALL)
    for function, values in expected.items():
        np.testing.assert_allclose(function(truth, pred), values, atol=1e-9, err_msg=function.__name__)


def test_equal_distributions():
    truth, _ = distributions(0, zeros=True)
    for function in ALL:
        best = 1 if function in (d.cosine, d.intersection) else 0
        np.testing.assert_allclose(function(truth, truth), best, atol=1e-12)


def test_nothing_in_common():
    truth, pred = np.eye(3)[:1], np.eye(3)[1:2]
    values = [float(function(truth, pred)[0]) for function in ALL]
    floor = -np.log(np.finfo(np.float32).tiny)
    assert values == pytest.approx([floor, np.log(2), 1, np.sqrt(2), 2, 0, 0], abs=1e-9)


def test_votes_are_divided_by_their_sum():
    """Votes that went to no class (FER+ unknown) are left out."""
    truth, pred = distributions(1, zeros=True)
    for function in ALL:
        np.testing.assert_allclose(function(truth, pred), function(0.7 * truth, pred), atol=1e-12)
        np.testing.assert_allclose(function(truth, pred), function((10 * truth).round().astype(int), pred), atol=1e-12)


def test_bounds():
    truth, pred = distributions(2, zeros=True)
    for function, high in zip(ALL[1:], (np.log(2), 1, np.sqrt(6), 6, 1, 1)):
        assert (function(truth, pred) >= 0).all()
        assert (function(truth, pred) <= high + 1e-12).all()


@pytest.mark.parametrize('function', ALL)
def test_bad_input(function):
    good = np.full((2, 2), 0.5)
    assert function(np.zeros((0, 2)), np.zeros((0, 2))).shape == (0,)
    with pytest.raises(ValueError, match=r'truth is all zero in 1 of 2 rows \(first: 1\); leave'):
        function([[1, 1], [0, 0]], good)
    with pytest.raises(ValueError, match='truth is not finite'):
        function([[1, 1], [np.nan, 0]], good)
    with pytest.raises(ValueError, match='pred does not sum to 1'):
        function(good, 2 * good)
    with pytest.raises(ValueError, match='same shape'):
        function(good, [[0.2, 0.8]])
