import numpy as np
import pytest
from comparison_runs import make_images, make_predictions, runs_in, write_run

from mmfer.evaluation import functional as F
from mmfer.experiments import compare
from mmfer.experiments.changes import assess
from mmfer.experiments.conditions import label_noise
from mmfer.experiments.label_noise import LabelNoise

NOISES = {label_noise(LabelNoise(rate)): noise for rate, noise in ((0.0, 0.2), (0.1, 0.9), (0.3, 2.5))}
NAMES = [condition.name for condition in NOISES]
METHODS = dict(vich=0.6, linear=1.0)  # how much of the noise reaches the answers


@pytest.fixture(scope='module')
def table(tmp_path_factory):
    root = tmp_path_factory.mktemp('runs')
    truth, labels = make_images(300)
    for place, (condition, noise) in enumerate(NOISES.items()):
        for i, (method, factor) in enumerate(METHODS.items()):
            for seed in (0, 1):
                options = dict(deviation='good') if method == 'vich' else {}
                records = make_predictions(
                    truth, labels, noise * factor, 1 / (1 + 2 * place), seed=50 * i + seed + 100 * place, **options
                )
                write_run(root / condition.name / method / f'seed_{seed}', records, seed)
    return {condition: runs_in(root / condition.name) for condition in NOISES}


def assessed(table, reference='vich'):
    return assess(table, 'label noise', compare(next(iter(table.values())), reference=reference))


@pytest.fixture(scope='module')
def result(table):
    return assessed(table)


def accuracy(table, name, method):
    runs = next(runs for condition, runs in table.items() if condition.name == name)
    return np.mean([run.scores.argmax(1) == run.labels for run in runs if run.method == method], axis=0)


def test_changes_are_paired_over_images(table, result):
    changes = {(c.first, c.condition): c for c in result.changes if c.what == 'accuracy'}
    assert list(changes) == [(method, name) for name in NAMES[1:] for method in ('linear', 'vich')]
    for (method, name), change in changes.items():
        before, after = (accuracy(table, each, method) for each in ('clean', name))
        expected = F.paired_proportions(after - before, seeds=2)
        assert change.images[:3] == pytest.approx([100 * value for value in expected[:3]])
        assert change.images.p_value == pytest.approx(expected.p_value)
        assert change.seeds == (0, 1)
        assert np.mean(change.by_seed) == pytest.approx(change.images.value)
        assert change.images_adjusted >= change.images.p_value
    assert changes['linear', 'noise 30 %'].standing(0.05) == 'worse'


def test_margins_are_differences_of_changes(result):
    margins = {c.condition: c for c in result.margins}
    assert list(margins) == NAMES[1:]
    assert {(c.first, c.second) for c in result.margins} == {('linear', 'vich')}
    changes = {(c.first, c.condition): c.images.value for c in result.changes if c.what == 'accuracy'}
    for name, margin in margins.items():
        assert margin.images.value == pytest.approx(changes['linear', name] - changes['vich', name])
        assert margin.images.low < margin.images.value < margin.images.high


def test_uncertainty_and_deviation(table, result):
    for condition, runs in table.items():
        for method in METHODS:
            values = {run.seed: pytest.approx(run.uncertainty.mean()) for run in runs if run.method == method}
            summary = result.summary('uncertainty', method, condition.name)
            assert summary.values == values
            assert summary.low < summary.mean < summary.high
    for change in (c for c in result.changes if c.what == 'uncertainty'):
        before, after = (result.summary('uncertainty', change.first, name).mean for name in ('clean', change.condition))
        assert change.images.value == pytest.approx(after - before)
        assert change.standing(0.05) == 'better'
    assert {c.first for c in result.changes if c.what == 'deviation'} == {'vich'}
    assert result.summary('deviation', 'linear', 'clean') is None


def test_common_seeds_and_methods_that_are_not_everywhere(table):
    clean, _, noisy = table
    cut = {
        clean: [run for run in table[clean] if run.method == 'linear'],
        noisy: [run for run in table[noisy] if (run.method, run.seed) != ('linear', 0)],
    }
    result = assessed(cut, 'linear')
    assert {(c.first, c.seeds) for c in result.changes} == {('linear', (1,))}
    assert result.margins == []
    assert set(result.means['noise 30 %']) == set(METHODS)
    cut[noisy] = [run for run in cut[noisy] if run.method == 'vich']
    with pytest.raises(ValueError, match="reference='linear' has no runs under noise 30 %"):
        assessed(cut, 'linear')
