"""Figures against other formulas of them, and influence values against leaving images out."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from mmfer.evaluation import functional as F

RNG = np.random.default_rng(0)
CONFIDENCE = RNG.uniform(0.3, 1, 400).round(2)  # with ties
CORRECT = RNG.random(400) < CONFIDENCE
TRUTH = RNG.integers(0, 20, 400)


def jackknife(figure, size):
    """Influence values from leaving each image out."""
    kept = np.arange(size)
    values = np.array([figure(kept != i) for i in kept])
    return (size - 1) * (values.mean() - values)


@pytest.mark.parametrize(
    ('figure', 'tolerance'),
    [
        (lambda kept: F.mean_influence(CONFIDENCE[kept]), 1e-9),
        (lambda kept: F.skce(CONFIDENCE[kept], CORRECT[kept]), 0.02),
        (lambda kept: F.aurc_influence(-CONFIDENCE[kept], ~CORRECT[kept]), 0.02),
        (lambda kept: F.spearman_influence(CONFIDENCE[kept], TRUTH[kept]), 0.02),
    ],
    ids=['mean', 'skce', 'aurc', 'spearman'],
)
def test_influence_is_what_leaving_out_shows(figure, tolerance):
    _, influence = figure(np.ones(400, bool))
    expected = jackknife(lambda kept: figure(kept)[0], 400)
    assert influence.mean() == pytest.approx(0, abs=1e-9)
    assert np.corrcoef(influence, expected)[0, 1] > 1 - tolerance
    assert influence.std() == pytest.approx(expected.std(), rel=max(tolerance, 1e-2))


def test_skce_is_the_mean_over_pairs():
    gap = CORRECT - CONFIDENCE
    kernel = gap[:, None] * gap * np.exp(-np.abs(CONFIDENCE[:, None] - CONFIDENCE) / 0.1)
    expected = (kernel.sum() - np.trace(kernel)) / (400 * 399)
    assert F.skce(CONFIDENCE, CORRECT)[0] == pytest.approx(expected, rel=1e-9)
    assert F.skce(np.full(300, 0.9), np.arange(300) % 2)[0] == pytest.approx(0.4**2, abs=2e-3)


def test_skce_of_a_calibrated_model_is_0_whatever_its_confidence():
    rng = np.random.default_rng(1)
    for low in (0.3, 0.9):
        confidence = rng.uniform(low, 1, (300, 200))
        values = [F.skce(c, rng.random(200) < c)[0] for c in confidence]
        assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(300)


def test_aurc_and_spearman_agree_with_others():
    wrong = (~CORRECT)[np.argsort(np.arange(400.0))]
    risk = np.cumsum(wrong) / np.arange(1, 401)
    assert F.aurc_influence(np.arange(400.0), wrong)[0] == pytest.approx(risk.mean())
    ties = F.aurc(F.rank_samples(-CONFIDENCE, ~CORRECT))
    assert F.aurc_influence(-CONFIDENCE, ~CORRECT)[0] == pytest.approx(ties)
    expected = stats.spearmanr(CONFIDENCE, TRUTH).statistic
    assert F.spearman_influence(CONFIDENCE, TRUTH)[0] == pytest.approx(expected)
    assert np.isnan(F.spearman_influence(np.ones(9), np.arange(9))[0])


def test_auroc_and_its_deviation_are_those_of_delong():
    rng = np.random.default_rng(2)
    inside, outside = rng.normal(size=80).round(1), rng.normal(1, 1, 40).round(1)
    value, of_inside, of_outside = F.auroc_influence(inside, outside)
    assert value == pytest.approx(roc_auc_score(np.repeat([0, 1], [80, 40]), np.append(inside, outside)))
    assert abs(of_inside.mean()) + abs(of_outside.mean()) < 1e-12
    error = np.sqrt(of_inside.var(ddof=1) / 80 + of_outside.var(ddof=1) / 40)
    drawn = [F.auroc(F.ood_ranking(rng.choice(inside, 80), rng.choice(outside, 40))) for _ in range(400)]
    assert error == pytest.approx(np.std(drawn), rel=0.12)
