import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample

from mmfer.evaluation import ClassMapEvaluator, ExpressionMetric
from mmfer.registry import EVALUATORS

MODEL = ('neutral', 'happiness', 'anger', 'contempt')


class Keep(BaseMetric):
    """Keeps what it is given."""

    def process(self, data_batch, data_samples):
        self.results.extend(data_samples)

    def compute_metrics(self, results):
        return {}


def translated(classes, mapping=None, **fields):
    keep = Keep()
    evaluator = ClassMapEvaluator([keep], model_classes=MODEL, mapping=mapping)
    evaluator.dataset_meta = dict(classes=classes)
    sample = DataSample().set_gt_label(1).set_pred_score(torch.tensor([0.1, 0.2, 0.3, 0.4]))
    sample.set_pred_label(3)
    for name, value in fields.items():
        sample.set_field(value, name)
    evaluator.process([sample])
    return keep.results[0], evaluator


def test_another_order_keeps_everything():
    values = torch.arange(4.0)
    sample, evaluator = translated(
        ('contempt', 'anger', 'neutral', 'happiness'),
        pred_mean=values,
        pred_std=values + 1,
        uncertainty=torch.tensor(0.7),
        aleatoric=torch.tensor(0.5),
    )
    torch.testing.assert_close(sample['pred_score'], torch.tensor([0.4, 0.3, 0.1, 0.2]))
    assert sample['pred_mean'].tolist() == [3, 2, 0, 1]
    assert sample['pred_std'].tolist() == [4, 3, 1, 2]
    assert (sample['uncertainty'].item(), sample['aleatoric'].item()) == pytest.approx((0.7, 0.5))
    assert int(sample['pred_label']) == 0
    assert evaluator.left_out == ()


def test_a_class_that_the_data_lack_is_no_answer():
    sample, evaluator = translated(
        ('happiness', 'anger', 'neutral'), pred_mean=torch.arange(4.0), uncertainty=torch.tensor(1.2)
    )
    torch.testing.assert_close(sample['pred_score'], torch.tensor([2 / 6, 3 / 6, 1 / 6]))
    assert int(sample['pred_label']) == 1
    assert sample['pred_mean'].tolist() == [1, 2, 0]
    expected = torch.distributions.Categorical(torch.tensor([2.0, 3.0, 1.0])).entropy()
    torch.testing.assert_close(sample['uncertainty'], expected)
    assert evaluator.left_out == ('contempt',)


def test_distributions_over_the_probabilities_follow():
    members = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]])
    fields = dict(
        pred_factor=torch.arange(8.0).view(4, 2),
        pred_concentration=torch.tensor([1.0, 2.0, 3.0, 4.0]),
        vacuity=torch.tensor(4 / 10),
        pred_samples=members,
    )
    sample, _ = translated(('contempt', 'anger', 'neutral', 'happiness'), **fields)
    assert sample['pred_factor'].tolist() == [[6, 7], [4, 5], [0, 1], [2, 3]]
    assert sample['pred_concentration'].tolist() == [4, 3, 1, 2]
    torch.testing.assert_close(sample['pred_samples'], members[:, [3, 2, 0, 1]])
    sample, _ = translated(('anger', 'happiness', 'neutral'), dict(contempt='anger'), **fields)
    assert 'pred_factor' not in sample
    assert sample['pred_concentration'].tolist() == [7, 2, 1]
    torch.testing.assert_close(sample['pred_samples'], torch.tensor([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]]))
    sample, _ = translated(('happiness', 'anger', 'neutral'), **fields)
    assert sample['pred_concentration'].tolist() == [2, 3, 1]
    assert float(sample['vacuity']) == 3 / 6
    torch.testing.assert_close(sample['pred_samples'].sum(-1), torch.ones(2))
    sure = torch.eye(4)[[3, 0]]  # a member that is sure of a class that the data lack
    sample, _ = translated(('happiness', 'anger', 'neutral'), pred_samples=sure)
    torch.testing.assert_close(sample['pred_samples'][0], torch.full((3,), 1 / 3))


def test_a_mapped_class_adds_its_score():
    sample, _ = translated(
        ('anger', 'happiness', 'neutral'), dict(contempt='anger'), pred_mean=torch.arange(4.0), pred_std=torch.ones(4)
    )
    torch.testing.assert_close(sample['pred_score'], torch.tensor([0.7, 0.2, 0.1]))
    assert 'pred_mean' not in sample
    assert 'pred_std' not in sample


def test_accuracy_goes_by_name():
    metrics = [dict(type='ExpressionMetric', table=False)]
    with DefaultScope.overwrite_default_scope('mmfer'):
        evaluator = EVALUATORS.build(dict(type='ClassMapEvaluator', metrics=metrics, model_classes=MODEL))
    assert isinstance(evaluator.metrics[0], ExpressionMetric)
    classes = ('anger', 'happiness', 'neutral')
    evaluator.dataset_meta = dict(classes=classes)
    for model_label, data_label in ((0, 2), (1, 1), (2, 0), (2, 1)):
        score = torch.eye(4)[model_label]
        sample = DataSample().set_gt_label(data_label).set_pred_score(score).set_pred_label(model_label)
        evaluator.process([sample])
    assert evaluator.evaluate(4)['accuracy'] == pytest.approx(75)


def test_a_class_that_the_model_lacks_is_an_error():
    with pytest.raises(ValueError, match='no class for fear of the data set; it has neutral, happiness'):
        translated(('fear', 'anger'))


def test_classes_that_do_not_fit_the_scores():
    evaluator = ClassMapEvaluator([Keep()], model_classes=MODEL[:3])
    evaluator.dataset_meta = dict(classes=MODEL[:3])
    with pytest.raises(ValueError, match='4 scores'):
        evaluator.process([DataSample().set_pred_score(torch.ones(4) / 4)])
