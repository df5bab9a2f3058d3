import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from scipy import stats

from mmfer.evaluation import functional as F
from mmfer.evaluation.metrics.vote_metric import VoteMetric
from mmfer.structures.predictive import probability_samples

SIZE = 150


def make_fields(size=SIZE, seed=0):
    """Gaussian logits, and votes of people on faces drawn from them, three of them with a single vote."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(0, 1.5, (size, 4))
    std = np.tile([0.2, 0.5, 1.0, 0.7], (size, 1)) * rng.uniform(0.5, 1.5, (size, 1))
    powers = np.exp(mean + std * rng.normal(size=mean.shape))
    people = rng.integers(8, 11, size)
    people[:3] = 1
    return dict(pred_mean=mean, pred_std=std, votes=rng.multinomial(people, powers / powers.sum(1, keepdims=True)))


def make_samples(**fields):
    return [dict(zip(fields, map(torch.tensor, row))) for row in zip(*fields.values())]


def evaluate(rows, **options):
    metric = VoteMetric(**{'samples': 64, 'table': False, **options})
    for part in (rows[:7], rows[7:]):
        metric.process(None, part)
    return metric.evaluate(len(rows)), metric


def test_figures():
    fields = make_fields()
    found, metric = evaluate(make_samples(**fields), threshold=0.1)
    n = fields.pop('votes')
    people = n.sum(1)
    p = probability_samples(fields, 64)
    mean = p.mean(1)
    joint = -np.log(np.mean(np.prod(p ** n[:, None], axis=2), axis=1))
    expected = dict(joint_nll=joint.mean(), joint_nll_per_vote=joint.sum() / people.sum())
    expected['vote_nll'] = -(n * np.log(mean)).sum() / people.sum()
    counts = F.predicted_counts(p, people)
    lower, upper = F.pit_bounds(counts, n)
    chosen = mean > 0.1
    for level in (50, 80, 90, 95):
        expected[f'coverage_{level}'] = 100 * F.held(lower, upper, level / 100)[chosen].mean()
        expected[f'width_{level}'] = F.interval_width(counts, people, level / 100)[chosen].mean()
    low, high = (np.array(each) for each in zip(*(F.vote_interval(q, int(v)) for q, v in zip(p, people))))
    expected['interval_held'] = 100 * ((low <= n) & (n <= high))[chosen].mean()
    expected['interval_width'] = ((high - low) / people[:, None])[chosen].mean()
    expected['pit_p'] = F.pit_histogram(lower, upper, chosen).p_value

    real, told = F.disagreement(n)[3:], F.predicted_disagreement(p)[3:]
    halves = F.compare_halves(n[3:], mean[3:])
    expected.update(disagreement=100 * real.mean(), predicted_disagreement=100 * told.mean())
    expected['disagreement_spearman'] = stats.spearmanr(told, real)[0]
    parts = dict(zip(('total', 'aleatoric', 'epistemic', 'width'), F.uncertainty_parts(p)))
    for kind, ambiguity in (('', halves['entropy']), ('_model', parts['total'][3:])):
        expected[f'half_nll{kind}'] = halves[f'nll{kind}'].sum() / halves['people'].sum()
        expected[f'half_js{kind}'] = halves[f'js{kind}'].mean()
        expected[f'half_spearman{kind}'] = stats.spearmanr(ambiguity, halves['entropy_other'])[0]
    parts['pred_std'] = fields['pred_std'].mean(1)
    for name, values in parts.items():
        for target, truth in (('entropy', stats.entropy(n, axis=1)), ('kl', F.kl_divergence(n, mean))):
            expected[f'{name}_{target}_spearman'] = stats.spearmanr(values, truth.round(12))[0]
    answer = mean.argmax(1)[:, None]
    shares = n / people[:, None]
    top = (np.take_along_axis(each, answer, 1)[:, 0] for each in (mean, shares))
    expected['top_error'] = 100 * F.vote_calibration_error(*top)
    expected['class_error'] = 100 * F.vote_calibration_error(mean, shares)
    assert found == pytest.approx(expected, abs=1e-6)
    assert metric.pit.p_value == found['pit_p']
    assert metric.bins.count.sum() == SIZE
    assert [each.shape for each in metric.bounds] == [(SIZE, 4)] * 3


def test_the_right_spread_holds_and_none_does_not():
    fields = make_fields(1500, 1)
    right, _ = evaluate(make_samples(**fields), samples=256)
    score = probability_samples(dict(pred_mean=fields['pred_mean'], pred_std=fields['pred_std']), 256).mean(1)
    point, _ = evaluate(make_samples(pred_score=score, votes=fields['votes']))
    assert right['coverage_90'] == pytest.approx(90, abs=1.5)
    assert right['interval_held'] >= 90
    assert right['pit_p'] > 0.01
    assert point['coverage_90'] < 86
    assert point['pit_p'] < 1e-6
    assert point['vote_nll'] == pytest.approx(right['vote_nll'], abs=1e-9)
    assert point['joint_nll_per_vote'] == pytest.approx(point['vote_nll'], abs=1e-9)
    assert right['joint_nll'] < point['joint_nll'] - 0.2
    assert np.isnan([point['epistemic_kl_spearman'], point['width_entropy_spearman']]).all()


def test_every_kind_of_prediction():
    rng = np.random.default_rng(0)
    votes = make_fields()['votes']
    concentration = rng.gamma(2.0, 1.0, (SIZE, 4)) + votes
    score = concentration / concentration.sum(1, keepdims=True)
    found, _ = evaluate(make_samples(pred_concentration=concentration, pred_score=score, votes=votes))
    assert found['joint_nll'] == pytest.approx(F.dirichlet_multinomial_nll(concentration, votes).mean(), abs=1e-9)
    members = rng.dirichlet(np.ones(4), (SIZE, 5))
    found, _ = evaluate(make_samples(pred_samples=members, pred_score=members.mean(1), votes=votes))
    assert found['joint_nll'] == pytest.approx(F.joint_nll(members, votes).mean(), abs=1e-9)


def test_intervals_by_bootstrap(monkeypatch):
    lines = []
    monkeypatch.setattr(MMLogger.get_current_instance(), 'info', lines.append)
    fields = make_fields()
    samples = make_samples(**fields)
    found, _ = evaluate(samples, bootstrap=60, table=True)
    plain, _ = evaluate(samples)
    assert {name: found[name] for name in plain} == plain
    assert set(found) - set(plain) == {f'{name}_{end}' for name in plain if name != 'pit_p' for end in ('low', 'high')}
    for name in plain:
        assert name in lines[0]
        if name not in ('pit_p', 'top_error', 'class_error'):
            assert found[f'{name}_low'] < found[name] < found[f'{name}_high']
    spread = found['joint_nll_high'] - found['joint_nll_low']
    rows = F.joint_nll(probability_samples(fields, 64), fields['votes'])
    assert spread == pytest.approx(2 * 1.96 * rows.std() / np.sqrt(SIZE), rel=0.35)


def test_single_votes_have_no_halves():
    fields = make_fields()
    fields['votes'] = np.eye(4, dtype=int)[fields['votes'].argmax(1)]
    found, _ = evaluate(make_samples(**fields))
    assert found['joint_nll'] == pytest.approx(found['vote_nll'], abs=1e-9)
    assert not [name for name in found if name.startswith('half_') or 'disagreement' in name]


def test_bad_input():
    samples = make_samples(**make_fields())
    del samples[9]['votes']
    samples[9]['img_path'] = 'b.png'
    with pytest.raises(ValueError, match=r'VoteMetric: b\.png has no votes: set PackInputs\(votes=True\)'):
        evaluate(samples)
    for votes, told in (([0, 0, 0, 0], 'all zero'), ([1, 2, -1, 0], 'negative'), ([0.5, 0.5, 0, 0], 'not whole')):
        samples = make_samples(**make_fields())
        samples[0]['votes'] = torch.tensor(votes)
        with pytest.raises(ValueError, match=f'votes: {told} in 1 of 7 rows'):
            evaluate(samples)
    fields = make_fields()
    fields['votes'] = fields['votes'][:, :3] + 1
    with pytest.raises(ValueError, match=r'votes must have shape \(N, 4\), not \(7, 3\)'):
        evaluate(make_samples(**fields))
    with pytest.raises(ValueError, match='threshold=5'):
        VoteMetric(threshold=5)
