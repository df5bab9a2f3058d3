import numpy as np
import pytest
from scipy import stats

from mmfer.evaluation.functional import bootstrap as module
from mmfer.evaluation.functional.bootstrap import (
    bootstrap_intervals,
    mean,
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


@pytest.mark.parametrize('name', ['mean', 'variance'])
def test_interval_agrees_with_scipy(name):
    values = np.random.default_rng(0).exponential(size=200)

    def figures(weights):
        return dict(mean=mean(values, weights), variance=mean(values**2, weights) - mean(values, weights) ** 2)

    low, high = bootstrap_intervals(figures, 200, 5000)[name]
    figure = dict(mean=np.mean, variance=np.var)[name]
    ends = stats.bootstrap((values,), figure, n_resamples=5000, method='BCa', random_state=1).confidence_interval
    assert (low, high) == pytest.approx((ends.low, ends.high), abs=0.1 * (ends.high - ends.low))


def test_undefined_replicates_are_left_out():
    assert percentile_interval([np.nan, 1, 1]) == (1, 1)
    assert np.isnan(percentile_interval([np.nan, np.nan])).all()
    assert np.isnan(percentile_interval([])).all()
    for value in (np.nan, 1.0):  # one value for all says nothing of its error
        assert np.isnan(bootstrap_intervals(lambda w, value=value: dict(x=value), 5, 10)['x']).all()


def test_level():
    values = np.arange(1001)
    assert percentile_interval(values, 0.5) == pytest.approx((250, 750))
    with pytest.raises(ValueError, match='level=95'):
        percentile_interval(values, 95)


def test_nothing_to_draw():
    with pytest.raises(ValueError, match='size=0'):
        next(resamples(0))
    with pytest.raises(ValueError, match='replicates=0'):
        bootstrap_intervals(dict, 5, 0)
