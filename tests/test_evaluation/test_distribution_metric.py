import numpy as np
import pytest
import torch
from scipy import stats

from mmfer.datasets import SynthFER
from mmfer.evaluation.functional import divergence
from mmfer.evaluation.metrics.distribution_metric import DistributionMetric


def arrays(size=60):
    rng = np.random.default_rng(0)
    truth = rng.dirichlet(np.ones(5), size)
    pred = (truth + rng.dirichlet(np.ones(5), size)) / 2
    return truth, pred, rng.random((size, 5))


def make_samples(truth, pred, std=None, name='gt_distribution'):
    samples = [{'pred_score': torch.tensor(p), name: torch.tensor(t)} for p, t in zip(pred, truth)]
    for sample, row in zip(samples, std if std is not None else ()):
        sample.update(pred_std=torch.tensor(row), uncertainty=torch.special.entr(sample['pred_score']).sum())
    return samples


def evaluate(samples, **options):
    metric = DistributionMetric(**options)
    metric.process(None, samples[:7])
    metric.process(None, samples[7:])
    return metric.evaluate(len(samples))


def test_figures():
    truth, pred, std = arrays()
    result = evaluate(make_samples(truth, pred, std))
    ambiguity = stats.entropy(truth, axis=1)
    uncertainty = stats.spearmanr(stats.entropy(pred, axis=1), ambiguity)[0]
    assert result == pytest.approx(
        dict(
            kl=stats.entropy(truth, pred, axis=1).mean(),
            js=divergence.jensen_shannon(truth, pred).mean(),
            chebyshev=np.abs(truth - pred).max(1).mean(),
            clark=np.sqrt(((truth - pred) ** 2 / (truth + pred) ** 2).sum(1)).mean(),
            canberra=(np.abs(truth - pred) / (truth + pred)).sum(1).mean(),
            cosine=divergence.cosine(truth, pred).mean(),
            intersection=np.minimum(truth, pred).sum(1).mean(),
            entropy_spearman=uncertainty,
            uncertainty_spearman=uncertainty,
            pred_std_spearman=stats.spearmanr(std.mean(1), ambiguity)[0],
        ),
        abs=1e-9,
    )


def test_soft_labels_that_sum_to_less_than_one():
    truth, pred, _ = arrays()
    whole = evaluate(make_samples(truth, pred))
    assert evaluate(make_samples(0.6 * truth, pred, name='gt_score')) == pytest.approx(whole, abs=1e-9)
    assert 'pred_std_spearman' not in whole


def test_evaluators_truth_goes_before_the_one_trained_on():
    truth, pred, _ = arrays()
    samples = make_samples(truth, pred)
    for sample in samples:
        sample['gt_score'] = torch.full((5,), 0.2)
    assert evaluate(samples) == evaluate(make_samples(truth, pred))


def test_the_bayes_optimal_answers_of_synth_fer():
    truth = np.stack(SynthFER(split='test', num_samples=50, size=32).column('gt_score'))
    result = evaluate(make_samples(truth, truth))
    worst = dict(kl=0, js=0, chebyshev=0, clark=0, canberra=0, cosine=1, intersection=1, entropy_spearman=1)
    assert result == pytest.approx(worst, abs=1e-6)


def test_constant_predictions_have_no_rank_correlation():
    truth, _, _ = arrays()
    result = evaluate(make_samples(truth, np.full_like(truth, 0.2)), bootstrap=5)
    assert np.isnan([result[f'entropy_spearman{end}'] for end in ('', '_low', '_high')]).all()
    assert np.isfinite(result['kl_high'])


def test_fields_are_chosen():
    samples = make_samples(*arrays())
    assert not {'uncertainty_spearman'} & set(evaluate(samples, fields=('pred_std',)))
    assert 'pred_std_spearman' in evaluate(samples, fields=['pred_std'])
    with pytest.raises(ValueError, match='has no pred_sdt'):
        evaluate(samples, fields=('pred_sdt',))
    with pytest.raises(TypeError, match="fields='pred_std'"):
        DistributionMetric(fields='pred_std')


def test_bad_truth():
    truth, pred, _ = arrays()
    with pytest.raises(ValueError, match='neither gt_distribution nor gt_score: set keep_score=True'):
        evaluate(make_samples(truth, pred, name='votes'))
    truth[3] = 0
    with pytest.raises(ValueError, match=r'truth is all zero in 1 of 60 rows \(first: 3\)'):
        evaluate(make_samples(truth, pred))
    samples = make_samples(*arrays())
    del samples[4]['gt_distribution']
    with pytest.raises(ValueError, match='a sample has no gt_distribution'):
        evaluate(samples)
