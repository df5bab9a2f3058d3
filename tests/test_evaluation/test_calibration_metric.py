import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from sklearn.metrics import log_loss

from mmfer.evaluation.functional import calibration
from mmfer.evaluation.metrics.calibration_metric import CalibrationMetric


def evaluate(scores, labels, **options):
    metric = CalibrationMetric(**options)
    samples = [
        dict(pred_score=torch.tensor(s, dtype=torch.float32), gt_label=torch.tensor([t]))
        for s, t in zip(scores, labels)
    ]
    metric.process(None, samples[:1])
    if samples[1:]:
        metric.process(None, samples[1:])
    return metric, metric.evaluate(len(samples))


def predictions():
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(4), 100).astype(np.float32)
    return scores, rng.integers(0, 4, 100)


def test_figures_and_their_units():
    scores, labels = predictions()
    metric, result = evaluate(scores, labels, num_bins=10)
    assert list(result) == ['nll', 'brier', 'overconfidence', 'ece', 'mce', 'classwise_ece']
    exact = scores / scores.sum(1, keepdims=True, dtype=float)
    assert result['nll'] == pytest.approx(log_loss(labels, exact), abs=1e-6)
    assert result['brier'] == pytest.approx(calibration.brier(scores, labels), abs=1e-9)
    gap = scores.max(1).mean() - (scores.argmax(1) == labels).mean()
    assert result['overconfidence'] == pytest.approx(100 * gap, abs=1e-4)
    assert result['ece'] == pytest.approx(100 * calibration.expected_calibration_error(metric.bins))
    assert result['mce'] == pytest.approx(100 * calibration.maximum_calibration_error(metric.bins))
    classwise = calibration.classwise_calibration_error(scores, labels, 10)
    assert result['classwise_ece'] == pytest.approx(100 * classwise)
    assert len(metric.bins.count) == 10


def test_adaptive_figures_have_their_own_names():
    metric, result = evaluate(*predictions(), adaptive=True)
    assert list(result)[3:] == ['adaptive_ece', 'adaptive_mce', 'adaptive_classwise_ece']
    assert set(metric.bins.count) == {6, 7}


def test_bins_stay_those_of_the_samples_after_a_bootstrap():
    metric, _ = evaluate(*predictions(), bootstrap=10)
    assert metric.bins.count.shape == (15,)
    assert metric.bins.count.sum() == 100


def test_table(monkeypatch):
    lines = []
    monkeypatch.setattr(MMLogger.get_current_instance(), 'info', lines.append)
    evaluate([[0.95, 0.05], [0.91, 0.09], [0.45, 0.55], [0.9, 0.1]], [0, 1, 1, 0], num_bins=10)
    (text,) = lines
    assert '0.900 .. 1.000' in text
    assert '93.0' in text  # mean confidence of the two answers there
    assert '50.0' in text  # their accuracy
    assert '-43.0' in text
    assert '0.000 .. 0.100' not in text  # no sample
    assert 'nats' in text


def test_bad_scores_and_arguments():
    with pytest.raises(ValueError, match=r'scores is not finite in 1 of 2 rows \(first: 1\)'):
        evaluate([[0.5, 0.5], [np.nan, 0.5]], [0, 1])
    with pytest.raises(ValueError, match='does not sum to 1'):
        evaluate([[3.0, 0.5], [0.5, 0.5]], [0, 1])
    with pytest.raises(ValueError, match=r'target is not a label in 0..1'):
        evaluate([[0.5, 0.5]], [2])
    with pytest.raises(ValueError, match='num_bins=0'):
        CalibrationMetric(num_bins=0)
    with pytest.raises(ValueError, match='has no pred_score'):
        CalibrationMetric().process(None, [dict(gt_label=torch.tensor([0]))])
