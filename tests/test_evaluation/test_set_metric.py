import numpy as np
import pytest
import torch

from mmfer.evaluation import SetMetric

SETS = dict(method='aps', threshold=0.6)
SCORES = [[0.5, 0.3, 0.2], [0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.1, 0.35, 0.55]]  # sets 01, 0, 1, 21
LABELS = [1, 2, 1, 2]
VOTES = [[5, 3, 2], [7, 0, 3], [0, 10, 0], [2, 4, 4]]


def samples(votes=True):
    fields = (dict(pred_score=torch.tensor(s), gt_label=torch.tensor([y])) for s, y in zip(SCORES, LABELS))
    return [dict(each, votes=torch.tensor(v)) if votes else each for each, v in zip(fields, VOTES)]


def test_the_figures():
    metric = SetMetric(SETS, bootstrap=50)
    metric.process(None, samples()[:3])
    metric.process(None, samples()[3:])
    found = metric.evaluate(4)
    assert found['set_coverage'] == 75
    assert found['set_worst_class'] == 50  # of class 2, one of two
    assert found['set_size'] == 1.5
    assert found['set_single'] == 50
    assert found['set_votes'] == pytest.approx(100 * np.mean([0.8, 0.7, 1, 0.8]))
    assert found['set_size_low'] <= 1.5 <= found['set_size_high']


def test_without_votes():
    metric = SetMetric(SETS)
    metric.process(None, samples(votes=False))
    assert 'set_votes' not in metric.evaluate(4)
    some = SetMetric(SETS)  # of faces without votes nothing is known
    nobody = dict(samples()[3], votes=torch.zeros(3, dtype=torch.int64))
    some.process(None, [*samples()[:2], samples(votes=False)[2], nobody])
    assert some.evaluate(4)['set_votes'] == pytest.approx(100 * np.mean([0.8, 0.7]))


def test_sets_of_another_model():
    with pytest.raises(ValueError, match='one for each class'):
        SetMetric(dict(SETS, threshold=[0.1, 0.2])).process(None, samples())
