import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from mmfer.evaluation.metrics.selective_metric import SelectiveMetric


def make_samples(wrong=None, **fields):
    rng = np.random.default_rng(0)
    scores = torch.tensor(rng.dirichlet(np.ones(4), 80))
    wrong = rng.random(80) < 0.3 if wrong is None else wrong
    samples = []
    for score, error in zip(scores, wrong):
        label = score.argmax().reshape(1)
        samples.append(dict(pred_score=score, pred_label=label, gt_label=(label + int(error)) % 4))
        samples[-1]['uncertainty'] = torch.special.entr(score).sum()
        samples[-1]['pred_std'] = torch.tensor(rng.random(4))
    return samples, np.asarray(wrong)


def evaluate(samples, **options):
    metric = SelectiveMetric(**options)
    metric.process(None, samples[:5])
    metric.process(None, samples[5:])
    return metric.evaluate(len(samples))


@pytest.mark.parametrize('score', ['uncertainty', 'confidence', 'pred_std'])
def test_figures_in_percent(score):
    samples, wrong = make_samples()
    values = dict(
        uncertainty=lambda s: float(s['uncertainty']),
        confidence=lambda s: -float(s['pred_score'].max()),
        pred_std=lambda s: float(s['pred_std'].mean()),
    )[score]
    values = np.array([values(sample) for sample in samples])
    result = evaluate(samples, score=score)
    risk = np.cumsum(wrong[np.argsort(values)]) / np.arange(1, 81)
    best = np.cumsum(np.sort(wrong)) / np.arange(1, 81)
    assert result == pytest.approx(
        dict(
            error_auroc=100 * roc_auc_score(wrong, values),
            error_aupr=100 * average_precision_score(wrong, values),
            success_aupr=100 * average_precision_score(~wrong, -values),
            fpr95=result['fpr95'],
            aurc=100 * risk.mean(),
            e_aurc=100 * (risk - best).mean(),
            accuracy_at_80=100 * (1 - risk[63]),
            accuracy_at_90=100 * (1 - risk[71]),
            accuracy_at_95=100 * (1 - risk[75]),
        ),
        abs=1e-9,
    )
    limit = np.sort(values[~wrong])[int(np.ceil(0.95 * (~wrong).sum())) - 1]
    assert result['fpr95'] == pytest.approx(100 * (values[wrong] <= limit).mean(), abs=1e-9)


def test_no_errors_and_only_errors():
    for wrong in (0, 1):
        result = evaluate(make_samples(np.full(80, wrong))[0], bootstrap=5)
        ends = {name for name in result if name.endswith(('_low', '_high'))}
        undefined = {name for name, value in result.items() if np.isnan(value)}
        assert undefined == {'error_auroc', 'fpr95', 'success_aupr' if wrong else 'error_aupr'} | ends
        assert (result['aurc'], result['e_aurc']) == (pytest.approx(100 * wrong), pytest.approx(0, abs=1e-9))
        assert result['accuracy_at_80'] == 100 * (1 - wrong)


def test_label_decides_what_is_wrong():
    """Not the highest score: a translated or thresholded label counts."""
    samples, _ = make_samples()
    for sample in samples:
        sample['pred_label'] = sample['gt_label']
    assert evaluate(samples)['aurc'] == 0


def test_missing_or_bad_score():
    samples, _ = make_samples()
    with pytest.raises(ValueError, match='has no epistemic; it has gt_label, pred_label, pred_score, pred_std, unc'):
        evaluate(samples, score='epistemic')
    samples[7]['uncertainty'] = torch.tensor(float('nan'))
    with pytest.raises(ValueError, match=r'score is NaN in 1 of 80 rows \(first: 7\)'):
        evaluate(samples)
    with pytest.raises(ValueError, match='score=None'):
        SelectiveMetric(score=None)
