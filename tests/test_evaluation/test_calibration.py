import numpy as np
import pytest
import torch
from sklearn import metrics
from torchmetrics.functional.classification import multiclass_calibration_error

from mmfer.evaluation.functional import calibration
from mmfer.evaluation.functional.calibration import (
    brier,
    calibration_bins,
    classwise_calibration_error,
    expected_calibration_error,
    maximum_calibration_error,
    nll,
    overconfidence,
    top_label,
)


def predictions(seed, size=300, classes=7):
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.full(classes, 0.4), size)
    target = np.array([rng.choice(classes, p=p) for p in scores])
    return scores, np.where(rng.random(size) < 0.3, 0, target)


def brute_force_bins(confidence, correct, num_bins, adaptive):
    """Members of each bin, from the definitions."""
    members = [[] for _ in range(num_bins)]
    for i, c in enumerate(confidence):
        if adaptive:
            index = num_bins * sum(other < c for other in confidence) // len(confidence)
        else:
            edges = np.linspace(0, 1, num_bins + 1)
            index = next(m for m in range(num_bins) if c <= edges[m + 1])
        members[index].append(i)
    gaps = [abs(np.mean(correct[m]) - np.mean(confidence[m])) if m else 0 for m in members]
    return [len(m) for m in members], gaps


@pytest.mark.parametrize('seed', range(3))
def test_agrees_with_libraries(seed):
    scores, target = predictions(seed)
    assert nll(scores, target) == pytest.approx(metrics.log_loss(target, scores, labels=range(7)), abs=1e-9)
    one_hot = np.eye(7)[target]
    assert brier(scores, target) == pytest.approx(7 * metrics.mean_squared_error(one_hot, scores), abs=1e-9)
    confidence, correct = top_label(scores, target)
    bins = calibration_bins(confidence, correct, 12)
    for norm, own in (('l1', expected_calibration_error), ('max', maximum_calibration_error)):
        theirs = multiclass_calibration_error(torch.tensor(scores), torch.tensor(target), 7, n_bins=12, norm=norm)
        assert own(bins) == pytest.approx(theirs.item(), abs=1e-6)
    assert overconfidence(confidence, correct) == pytest.approx(
        scores.max(1).mean() - metrics.accuracy_score(target, scores.argmax(1)), abs=1e-9
    )


@pytest.mark.parametrize('adaptive', [False, True])
@pytest.mark.parametrize('decimals', [1, 2, 9])  # with many ties, confidences on edges, and without
def test_agrees_with_brute_force(adaptive, decimals):
    rng = np.random.default_rng(decimals)
    confidence, correct = rng.random(97).round(decimals), rng.random(97) < 0.5
    for num_bins in (1, 2, 10, 15, 120):
        bins = calibration_bins(confidence, correct, num_bins, adaptive)
        counts, gaps = brute_force_bins(confidence, correct, num_bins, adaptive)
        assert bins.count.tolist() == counts
        assert expected_calibration_error(bins) == pytest.approx(np.dot(counts, gaps) / 97, abs=1e-9)
        assert maximum_calibration_error(bins) == pytest.approx(max(gaps), abs=1e-9)
        full = bins.count > 0
        assert (bins.lower[full] <= bins.confidence[full] + 1e-12).all()
        assert (bins.confidence[full] <= bins.upper[full] + 1e-12).all()
        assert np.isnan(bins.accuracy[~full]).all()


@pytest.mark.parametrize('adaptive', [False, True])
def test_classwise_is_the_mean_of_one_against_the_rest(adaptive):
    scores, target = predictions(1)
    target[target == 3] = 2  # class 3 is empty, and counts with the scores that it gets
    gaps = []
    for k in range(7):
        counts, gap = brute_force_bins(scores[:, k], (target == k).astype(float), 15, adaptive)
        gaps.append(np.dot(counts, gap) / len(scores))
    assert classwise_calibration_error(scores, target, 15, adaptive) == pytest.approx(np.mean(gaps), abs=1e-9)


@pytest.mark.parametrize('adaptive', [False, True])
def test_weights_repeat_samples(adaptive):
    scores, target = predictions(2, size=60)
    scores = scores.round(1) + 1e-9  # ties
    scores /= scores.sum(1, keepdims=True)
    weights = np.random.default_rng(0).multinomial(60, np.full(60, 1 / 60), size=(2, 3))

    def all_figures(scores, target, weights=None):
        confidence, correct = top_label(scores, target)
        bins = calibration_bins(confidence, correct, 15, adaptive, weights)
        return np.array(
            [
                nll(scores, target, weights),
                brier(scores, target, weights),
                overconfidence(confidence, correct, weights),
                expected_calibration_error(bins),
                maximum_calibration_error(bins),
                classwise_calibration_error(scores, target, 15, adaptive, weights),
            ]
        )

    weighted = all_figures(scores, target, weights)
    assert weighted.shape == (6, 2, 3)
    for i, j in np.ndindex(2, 3):
        drawn = np.repeat(np.arange(60), weights[i, j])
        np.testing.assert_allclose(weighted[:, i, j], all_figures(scores[drawn], target[drawn]), atol=1e-10)


def test_degenerate_sets():
    certain = np.eye(3)
    assert nll(certain, [0, 1, 2]) == brier(certain, [0, 1, 2]) == 0
    assert nll(certain, [1, 2, 0]) == pytest.approx(87.3365, abs=1e-3)  # the floor
    assert brier(certain, [1, 2, 0]) == 2
    for correct, error in ((np.ones(3), 0), (np.zeros(3), 1)):
        for adaptive in (False, True):
            bins = calibration_bins(np.ones(3), correct, 15, adaptive)
            assert expected_calibration_error(bins) == maximum_calibration_error(bins) == error
    assert classwise_calibration_error(np.full((4, 2), 0.5), [0, 0, 0, 0]) == pytest.approx(0.5)  # one class only
    assert calibration_bins([0.0], [0]).count[0] == 1
    assert calibration_bins([1.0], [0]).count[-1] == 1


@pytest.mark.parametrize('adaptive', [False, True])
def test_no_samples(adaptive):
    scores, target = np.zeros((0, 3)), np.zeros(0, int)
    assert np.isnan([nll(scores, target), brier(scores, target), overconfidence([], [])]).all()
    bins = calibration_bins([], [], 15, adaptive)
    assert bins.count.tolist() == [0] * 15
    assert np.isnan([expected_calibration_error(bins), maximum_calibration_error(bins)]).all()
    assert np.isnan(classwise_calibration_error(scores, target, 15, adaptive))


def test_rounding_is_divided_out():
    assert nll([[0.5004, 0.5004]], [0]) == pytest.approx(np.log(2), abs=1e-12)


@pytest.mark.parametrize(
    ('scores', 'target', 'message'),
    [
        ([[0.5, 0.5], [np.nan, 1]], [0, 1], r'scores is not finite in 1 of 2 rows \(first: 1\)'),
        ([[0.5, 0.5], [2, 1]], [0, 1], 'does not sum to 1 in 1 of 2 rows .first: 1., the first to 3; apply a softmax'),
        ([[1.5, -0.5]], [0], 'negative in 1 of 1 rows .*not logits'),
        ([[0.0, 0.0]], [0], 'all zero'),
        ([0.5, 0.5], [0, 1], r'must have shape \(N, K\)'),
        ([[0.5, 0.5]], [2], r'target is not a label in 0..1'),
        ([[0.5, 0.5]], [0.5], r'target is not a label'),
        ([[0.5, 0.5]], [0, 1], r'target has shape \(2,\), expected \(1,\)'),
    ],
)
@pytest.mark.parametrize('function', [nll, brier, top_label, classwise_calibration_error])
def test_bad_scores(function, scores, target, message):
    with pytest.raises(ValueError, match=message):
        function(scores, target)


def test_bad_confidence():
    with pytest.raises(ValueError, match='confidence is 0.5..1.5, expected 0..1'):
        calibration_bins([0.5, 1.5], [1, 1])
    with pytest.raises(ValueError, match='confidence is NaN in 1 of 2'):
        calibration_bins([0.5, np.nan], [1, 1])
    with pytest.raises(ValueError, match='correct is neither 0 nor 1'):
        calibration_bins([0.5], [2])
    with pytest.raises(ValueError, match='num_bins=0'):
        calibration_bins([0.5], [1], 0)
    with pytest.raises(ValueError, match=r'weights has shape \(3,\), expected \(..., 1\)'):
        calibration.brier([[0.5, 0.5]], [0], [1, 2, 3])
