import numpy as np
import pytest
from sklearn import metrics

from mmfer.evaluation.functional.ranking import (
    auroc,
    average_precision,
    fpr_at_tpr,
    ood_ranking,
    rank_samples,
    swap,
)


def case(seed, decimals):
    rng = np.random.default_rng(seed)
    positive = rng.random(150) < 0.2
    return (rng.normal(size=150) + positive).round(decimals), positive


CASES = [case(*numbers) for numbers in ((0, 9), (1, 2), (2, 1), (3, 0))]  # from no ties to few different scores


@pytest.mark.parametrize(('score', 'positive'), CASES)
def test_agree_with_scikit_learn(score, positive):
    ranks = rank_samples(score, positive)
    assert auroc(ranks) == pytest.approx(metrics.roc_auc_score(positive, score), abs=1e-9)
    assert average_precision(ranks) == pytest.approx(metrics.average_precision_score(positive, score), abs=1e-9)
    for tpr in (0.5, 0.8, 0.95, 1):
        false, true, _ = metrics.roc_curve(positive, score, drop_intermediate=False)
        assert fpr_at_tpr(ranks, tpr) == pytest.approx(false[true >= tpr - 1e-12].min(), abs=1e-9)


@pytest.mark.parametrize(('score', 'positive'), CASES)
def test_swapped_ranking_is_that_of_the_negated_score(score, positive):
    swapped, again = swap(rank_samples(score, positive)), rank_samples(-score, ~positive)
    for a, b in zip(swapped, again):
        np.testing.assert_array_equal(a, b)
    assert auroc(swapped) == pytest.approx(auroc(rank_samples(score, positive)), abs=1e-12)


@pytest.mark.parametrize(('score', 'positive'), CASES)
def test_weights_repeat_samples(score, positive):
    weights = np.random.default_rng(99).multinomial(150, np.full(150, 1 / 150), size=(2, 2))
    for function in (auroc, average_precision, fpr_at_tpr, lambda r: average_precision(swap(r))):
        weighted = function(rank_samples(score, positive, weights))
        assert weighted.shape == (2, 2)
        for i, j in np.ndindex(2, 2):
            drawn = np.repeat(np.arange(150), weights[i, j])
            assert weighted[i, j] == pytest.approx(function(rank_samples(score[drawn], positive[drawn])), abs=1e-10)


def test_share_of_accepted_errors():
    """20 right answers, of which 19 must be accepted; the last of these is less certain than 3 of 4 wrong ones."""
    uncertainty = np.array([*np.arange(19), 100, 1.5, 2.5, 3.5, 50])
    wrong = np.repeat([0, 1], [20, 4])
    assert fpr_at_tpr(swap(rank_samples(uncertainty, wrong))) == 0.75


def test_one_kind_only():
    for positive in (0, 1):
        ranks = rank_samples([0.1, 0.2, 0.2], [positive] * 3)
        assert np.isnan(auroc(ranks))
        assert np.isnan(fpr_at_tpr(ranks))
        assert np.isnan(average_precision(ranks)) if not positive else average_precision(ranks) == 1
    empty = rank_samples([], [])
    assert np.isnan([auroc(empty), average_precision(empty), fpr_at_tpr(empty)]).all()


def test_constant_score_is_chance():
    ranks = rank_samples(np.ones(10), np.arange(10) < 3)
    assert (auroc(ranks), average_precision(ranks), fpr_at_tpr(ranks)) == (0.5, pytest.approx(0.3), 1)


def test_infinite_scores_are_extremes():
    assert auroc(rank_samples([-np.inf, 0, np.inf, np.inf], [0, 0, 1, 1])) == 1
    assert auroc(rank_samples([np.inf, np.inf], [0, 1])) == 0.5


def test_foreign_images():
    rng = np.random.default_rng(0)
    inside, outside = rng.random(40).round(1), rng.random(25).round(1) + 0.3
    pairs = np.sign(outside[:, None] - inside[None])
    assert auroc(ood_ranking(inside, outside)) == pytest.approx((pairs / 2 + 0.5).mean(), abs=1e-12)
    assert np.isnan([auroc(ood_ranking([], outside)), auroc(ood_ranking(inside, []))]).all()
    assert fpr_at_tpr(ood_ranking(np.zeros(5), np.ones(3))) == 0
    with pytest.raises(ValueError, match='outside is NaN'):
        ood_ranking(inside, [np.nan])


def test_bad_input():
    with pytest.raises(ValueError, match=r'score is NaN in 1 of 2 rows \(first: 1\)'):
        rank_samples([0.1, np.nan], [0, 1])
    with pytest.raises(ValueError, match=r'positive has shape \(3,\), expected \(2,\)'):
        rank_samples([0.1, 0.2], [0, 1, 1])
    with pytest.raises(ValueError, match='tpr=95'):
        fpr_at_tpr(rank_samples([0.1, 0.2], [0, 1]), 95)
