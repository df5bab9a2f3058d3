import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from scipy import stats

from mmfer.evaluation import ExpressionMetric


def sample(pred, target):
    return dict(pred_label=torch.tensor([pred]), gt_label=torch.tensor([target]), pred_score=torch.zeros(3))


def evaluate(meta, pairs=((0, 0), (1, 0), (1, 1), (1, 1)), **options):
    metric = ExpressionMetric(**options)
    metric.dataset_meta = meta
    metric.process(None, [sample(*pair) for pair in pairs[:2]])
    metric.process(None, [sample(*pair) for pair in pairs[2:]])
    return metric, metric.evaluate(len(pairs))


def test_figures_in_percent():
    metric, result = evaluate(dict(classes=('a', 'b', 'c')))
    assert result == dict(
        accuracy=pytest.approx(75.0),
        mean_class_accuracy=pytest.approx(75.0),
        macro_f1=pytest.approx(220 / 3),
        weighted_f1=pytest.approx(220 / 3),
    )
    assert metric.confusion_matrix.tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]


def test_share_of_the_bayes_optimal_accuracy():
    _, result = evaluate(dict(classes=('a', 'b', 'c'), observer_accuracy=0.8))
    assert result['observer_accuracy'] == pytest.approx(80.0)
    assert result['share_of_observer'] == pytest.approx(93.75)


def test_intervals():
    _, result = evaluate(dict(classes=('a', 'b', 'c'), observer_accuracy=0.8), bootstrap=500)
    ends = 100 * np.array(stats.binomtest(3, 4).proportion_ci(0.95, 'exact'))
    assert (result['accuracy_low'], result['accuracy_high']) == pytest.approx(tuple(ends))
    assert result['macro_f1_low'] <= result['macro_f1'] <= result['macro_f1_high']
    assert 'share_of_observer_low' not in result


def test_table_names_classes(monkeypatch):
    lines = []
    monkeypatch.setattr(MMLogger.get_current_instance(), 'info', lines.append)
    evaluate(dict(classes=('anger', 'fear', 'disgust'), observer_accuracy=0.8))
    text = '\n'.join(lines)
    assert 'anger' in text
    assert 'accuracy 75.00 %' in text
    assert '93.8 % of the Bayes-optimal accuracy on these labels, 80.00 %' in text
