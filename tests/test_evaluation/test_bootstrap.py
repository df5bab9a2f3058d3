import numpy as np
import pytest
from scipy import stats

from mmfer.evaluation.functional import bootstrap as module
from mmfer.evaluation.functional.bootstrap import (
    bootstrap_intervals,
    mean,
    paired_bootstrap,
    percentile_interval,
    resamples,
)


def test_replicates_are_draws_with_replacement():
    counts = np.concatenate(list(resamples(40, 2000, seed=3)))
    assert counts.shape == (2000, 40)
    assert (counts.sum(1) == 40).all()
    assert counts.mean(0) == pytest.approx(np.ones(40), abs=0.12)
    assert counts.var() == pytest.approx(1 - 1 / 40, abs=0.03)  # binomial
    again = np.concatenate(list(resamples(40, 2000, seed=3)))
    np.testing.assert_array_equal(counts, again)
    assert (np.concatenate(list(resamples(40, 2000, seed=4))) != counts).any()


def test_chunks_do_not_change_the_replicates(monkeypatch):
    whole = np.concatenate(list(resamples(30, 50)))
    monkeypatch.setattr(module, 'CELLS', 100)
    parts = list(resamples(30, 50))
    assert len(parts) == 17
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_interval_equals_that_of_a_loop(monkeypatch):
    monkeypatch.setattr(module, 'CELLS', 1000)
    values = np.random.default_rng(0).random(60)
    rng = np.random.default_rng(7)
    means = [values[rng.integers(0, 60, 60)].mean() for _ in range(200)]
    result = bootstrap_intervals(lambda w: dict(a=mean(values, w), b=2 * mean(values, w)), 60, 200, seed=7)
    assert result['a'] == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])), abs=1e-12)
    assert result['b'] == pytest.approx(tuple(2 * end for end in result['a']))


def test_interval_agrees_with_scipy():
    values = np.random.default_rng(0).exponential(size=300)
    low, high = bootstrap_intervals(lambda w: dict(mean=mean(values, w)), 300, 5000)['mean']
    theirs = stats.bootstrap((values,), np.mean, n_resamples=5000, method='percentile', random_state=1)
    ends = theirs.confidence_interval
    assert (low, high) == pytest.approx((ends.low, ends.high), abs=0.1 * (ends.high - ends.low))


def test_undefined_replicates_are_left_out():
    assert percentile_interval([np.nan, 1, 1]) == (1, 1)
    assert np.isnan(percentile_interval([np.nan, np.nan])).all()
    assert np.isnan(percentile_interval([])).all()
    result = bootstrap_intervals(lambda w: dict(x=np.nan), 5, 10)  # one value for all
    assert np.isnan(result['x']).all()


def test_level():
    values = np.arange(1001)
    assert percentile_interval(values, 0.5) == pytest.approx((250, 750))
    with pytest.raises(ValueError, match='level=95'):
        percentile_interval(values, 95)


def test_paired_difference():
    rng = np.random.default_rng(0)
    common = rng.random(400) < 0.8
    first, second = common.astype(float), np.where(rng.random(400) < 0.03, 0.0, common)
    result = paired_bootstrap(lambda w: mean(first, w), lambda w: mean(second, w), 400)
    assert result.value == pytest.approx(first.mean() - second.mean(), abs=1e-12)
    assert 0 < result.low < result.value < result.high
    assert result.p_value < 0.01
    expected = np.percentile([w @ (first - second) / 400 for chunk in resamples(400) for w in chunk], [2.5, 97.5])
    assert (result.low, result.high) == pytest.approx(tuple(expected), abs=1e-12)
    other = paired_bootstrap(lambda w: mean(second, w), lambda w: mean(first, w), 400)
    assert (other.value, other.low, other.high) == pytest.approx((-result.value, -result.high, -result.low))
    assert other.p_value == result.p_value


def test_equal_models_do_not_differ():
    values = np.random.default_rng(0).random(50)
    result = paired_bootstrap(lambda w: mean(values, w), lambda w: mean(values, w), 50)
    assert result == (0, 0, 0, 1)


def test_undefined_difference():
    result = paired_bootstrap(lambda w: np.full(len(w), np.nan), lambda w: mean(np.ones(5), w), 5, 10)
    assert np.isnan(result).all()


def test_nothing_to_draw():
    with pytest.raises(ValueError, match='size=0'):
        next(resamples(0))
    with pytest.raises(ValueError, match='replicates=0'):
        bootstrap_intervals(dict, 5, 0)
