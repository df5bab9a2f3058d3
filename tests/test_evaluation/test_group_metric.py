import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmpretrain.structures import DataSample

from mmfer.datasets import PackInputs
from mmfer.evaluation import GroupMetric
from mmfer.evaluation import functional as F


def make_samples(size=120, **columns):
    """Samples as they come from the pipeline and a model."""
    rng = np.random.default_rng(0)
    pack = PackInputs(keep_score=True, meta_keys=['gender'])
    samples = []
    for i in range(size):
        scores = rng.dirichlet(np.ones(3))
        entry = dict(img=np.zeros((4, 4, 3), np.uint8), img_path=f'{i}.jpg', gt_label=int(rng.integers(3)))
        entry.update(gt_score=rng.dirichlet(np.ones(3)), gender=['female', 'male', None][i % 3], **columns)
        sample = pack(entry)['data_samples']
        sample.set_pred_score(torch.tensor(scores)).set_pred_label(int(scores.argmax()))
        sample.set_field(torch.tensor(rng.random()), 'uncertainty')
        samples.append(sample)
    return samples


def evaluate(samples, **options):
    metric = GroupMetric(by='gender', bootstrap=50, permutations=50, **options)
    evaluator = Evaluator([metric])
    evaluator.dataset_meta = dict(classes=('neutral', 'happiness', 'sadness'))
    evaluator.process(data_samples=samples[:50])
    evaluator.process(data_samples=samples[50:])
    return metric, evaluator.evaluate(len(samples))


def test_the_column_travels_from_the_pipeline_to_the_figures(monkeypatch):
    logged = []
    monkeypatch.setattr('mmengine.logging.MMLogger.info', lambda self, text, *args: logged.append(str(text)))
    samples = make_samples()
    metric, result = evaluate(samples, metric=['accuracy', 'js', 'selective_risk'], at_coverage=0.8)
    own = samples[::3]
    right = [100 * (int(sample.gt_label) == int(sample.pred_label)) for sample in own]
    assert result['gender/female_accuracy'] == pytest.approx(np.mean(right))
    truth, scores = (
        np.stack([sample.get(name).numpy() for sample in own]) for name in ('gt_distribution', 'pred_score')
    )
    assert result['gender/female_js'] == pytest.approx(F.jensen_shannon(truth, scores).mean(), abs=1e-5)
    answered = np.array([float(sample.uncertainty) for sample in samples])
    answered = (answered <= np.sort(answered)[95])[::3]
    assert result['gender/female_selective_risk'] == pytest.approx(100 - np.mean(np.array(right)[answered]))
    assert result['gender/accuracy_worst'] == min(result[f'gender/{name}_accuracy'] for name in ('male', 'female'))
    assert result['gender/accuracy_gap_low'] < result['gender/accuracy_gap'] < result['gender/accuracy_gap_high']
    assert 0 < result['gender/accuracy_gap_p'] <= 1
    assert all(isinstance(value, float) and np.isfinite(value) for value in result.values())
    assert metric.comparisons['accuracy'].groups[0].name == 'female'
    text = '\n'.join(logged)
    assert 'gender: largest gap' in text
    assert '40 of 120 faces have no group: left out' in text


def test_within_classes():
    _, result = evaluate(make_samples(), stratify=True, prefix='fair')
    assert {'fair/accuracy_gap_p', 'fair/accuracy_gap_expected'} <= result.keys()


def test_soft_labels_as_models_hand_them_on():
    """On the device of the model, or with a graph, where NumPy cannot take them."""
    samples = make_samples()
    _, expected = evaluate(samples, metric='js')
    for sample in samples:
        sample.set_field(sample.gt_distribution.requires_grad_(), 'gt_distribution')
        sample.set_field(torch.tensor([1, 0, 0]), 'votes')  # from the same truth as DistributionMetric
    assert evaluate(samples, metric='js')[1] == expected


def test_errors_name_the_remedy():
    with pytest.raises(ValueError, match=r"a.jpg has no gender. Add meta_keys=\['gender'\] to PackInputs in the test"):
        GroupMetric(by='gender').process(None, [DataSample(metainfo=dict(img_path='a.jpg')).to_dict()])
    with pytest.raises(ValueError, match="metric='recall': take some of accuracy, mean_class_accuracy"):
        GroupMetric(by='gender', metric='recall')
    samples = make_samples()
    for sample in samples:
        del sample.gt_distribution
    with pytest.raises(ValueError, match='js needs votes or true distributions. Set keep_score=True in PackInputs'):
        evaluate(samples, metric='js')
