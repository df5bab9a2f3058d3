import numpy as np
import pytest
from scipy.stats import beta

from mmfer.evaluation import functional as F


@pytest.mark.parametrize(('wrong', 'answered'), [(0, 10), (3, 10), (9, 10), (40, 1000), (0, 1), (999, 1000)])
@pytest.mark.parametrize('delta', [0.05, 1e-3])
def test_bound_is_that_of_clopper_and_pearson(wrong, answered, delta):
    assert F.error_bound(wrong, answered, delta) == pytest.approx(
        beta.ppf(1 - delta, wrong + 1, answered - wrong), abs=1e-9
    )


def test_bound_without_right_answers():
    assert F.error_bound(4, 4, 0.05) == 1
    assert F.error_bound(0, 0, 0.05) == 1


@pytest.mark.parametrize('coverage', [0.01, 0.3, 0.9, 1])
def test_coverage_is_reached_and_no_more_than_needed(coverage):
    values = np.random.default_rng(0).random(137).round(2)
    threshold = F.threshold_at_coverage(values, coverage)
    assert (values <= threshold).mean() >= coverage
    assert (values < threshold).mean() < coverage


def test_risk_holds_on_new_samples():
    rng = np.random.default_rng(1)
    kept = []
    for _ in range(200):
        values = rng.random(2000)
        threshold = F.threshold_at_risk(values, rng.random(2000) < values**2, 0.1, delta=0.1)
        kept.append(threshold**2 / 3 <= 0.1)  # the true error rate below t, the mean of u**2
    assert np.mean(kept) >= 0.9
    assert 0.3 < threshold < np.sqrt(0.3)


def test_risk_counts_equal_values_together():
    values, wrong = np.repeat([0.1, 0.2], [100, 100]), np.repeat([0, 1], [150, 50])
    assert F.threshold_at_risk(values, wrong, 0.1) == 0.1
    assert F.threshold_at_risk(values, wrong, 0.5) == 0.2


def test_thresholds_that_cannot_be():
    with pytest.raises(ValueError, match='no threshold keeps the error rate below 1 %'):
        F.threshold_at_risk(np.linspace(0, 1, 20), np.zeros(20), 0.01)
    with pytest.raises(ValueError, match='risk=1'):
        F.threshold_at_risk([0.1], [0], 1)
    for coverage in (0, 1.1):
        with pytest.raises(ValueError, match='coverage='):
            F.threshold_at_coverage([0.1], coverage)
    with pytest.raises(ValueError, match='needs samples'):
        F.threshold_at_coverage([], 0.5)
