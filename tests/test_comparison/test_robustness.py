import json
import math

import numpy as np
import pytest
from comparison_runs import make_images, make_predictions, write_run

from mmfer.comparison import load_runs
from mmfer.comparison.results import read_runs
from mmfer.comparison.robustness import assess, noise_conditions, noise_name
from mmfer.evaluation.functional.bootstrap import paired_bootstrap

NOISES = {'clean': 0.2, 'noise 10 %': 0.9, 'noise 30 %': 2.5}
SHARES = {'clean': 0.0, 'noise 10 %': 0.1, 'noise 30 %': 0.3}
METHODS = dict(vich=0.6, linear=1.0)  # how much of the noise reaches the answers


@pytest.fixture(scope='module')
def conditions(tmp_path_factory):
    root = tmp_path_factory.mktemp('runs')
    truth, labels = make_images(300)
    for place, (name, noise) in enumerate(NOISES.items()):
        for i, (method, factor) in enumerate(METHODS.items()):
            for seed in (0, 1):
                options = dict(deviation='good') if method == 'vich' else {}
                records = make_predictions(
                    truth, labels, noise * factor, 1 / (1 + 2 * place), seed=50 * i + seed + 100 * place, **options
                )
                write_run(root / name / method / f'seed_{seed}', records, seed)
    return {name: load_runs([root / name]) for name in NOISES}


@pytest.fixture(scope='module')
def result(conditions):
    return assess('label noise', conditions, SHARES)


def accuracy(conditions, name, method):
    runs = [run for run in conditions[name] if run.method == method]
    return np.mean([run.scores.argmax(1) == run.labels for run in runs], axis=0)


def test_changes_are_paired_over_images(conditions, result):
    changes = {(c.method, c.condition): c for c in result.changes if c.what == 'accuracy'}
    assert list(changes) == [(m, n) for n in list(NOISES)[1:] for m in ('linear', 'vich')]
    for (method, name), change in changes.items():
        before, after = (accuracy(conditions, each, method) for each in ('clean', name))
        assert change.difference.value == pytest.approx(100 * (after - before).mean())
        reference = paired_bootstrap(
            lambda w, v=after: 100 * w @ v / len(v),
            lambda w, v=before: 100 * w @ v / len(v),
            300,
            result.replicates,
        )
        assert change.difference == pytest.approx(reference)
        assert change.seeds == (0, 1)
        assert np.mean(change.by_seed) == pytest.approx(change.difference.value)
        assert change.adjusted >= change.difference.p_value
    assert changes['linear', 'noise 30 %'].standing(0.05) == 'falls'


def test_margins_are_differences_of_changes(conditions, result):
    margins = {c.condition: c for c in result.margins}
    assert list(margins) == ['noise 10 %', 'noise 30 %']
    assert {c.method for c in result.margins} == {'linear'}
    assert result.reference == 'vich'
    changes = {(c.method, c.condition): c.difference.value for c in result.changes if c.what == 'accuracy'}
    for name, margin in margins.items():
        assert margin.difference.value == pytest.approx(changes['linear', name] - changes['vich', name])
        assert margin.difference.low < margin.difference.value < margin.difference.high


def test_uncertainty_and_deviation(conditions, result):
    for name in NOISES:
        for method in METHODS:
            runs = [run for run in conditions[name] if run.method == method]
            summary = result.means[name][method]['uncertainty']
            assert summary.mean == pytest.approx(np.mean([run.uncertainty.mean() for run in runs]))
            assert summary.low < summary.mean < summary.high
            assert summary.values == {run.seed: pytest.approx(run.uncertainty.mean()) for run in runs}
    for change in (c for c in result.changes if c.what == 'uncertainty'):
        before, after = (result.means[name][change.method]['uncertainty'].mean for name in ('clean', change.condition))
        assert change.difference.value == pytest.approx(after - before)
        assert change.standing(0.05) == 'rises'
    assert {c.method for c in result.changes if c.what == 'deviation'} == {'vich'}
    assert 'deviation' not in result.means['clean']['linear']


def test_figures_within_a_condition_are_those_of_a_comparison(result):
    assert list(result.comparisons) == list(NOISES)
    comparison = result.comparisons['noise 30 %']
    assert comparison.reference == 'vich'
    test = comparison.test('aurc', 'linear', 'vich')
    assert test.difference.low < test.difference.value < test.difference.high
    assert result.methods == ['linear', 'vich']


def test_common_seeds_and_methods_that_are_not_everywhere(conditions):
    cut = {
        'clean': [run for run in conditions['clean'] if run.method == 'linear'],
        'noise 30 %': [run for run in conditions['noise 30 %'] if (run.method, run.seed) != ('linear', 0)],
    }
    result = assess('label noise', cut, SHARES, reference='linear')
    assert {(c.method, c.seeds) for c in result.changes} == {('linear', (1,))}
    assert result.margins == []
    assert set(result.means['noise 30 %']) == set(METHODS)
    with pytest.raises(
        ValueError, match="reference='vich' has no runs under clean; methods with runs everywhere: linear"
    ):
        assess('label noise', cut, SHARES, reference='vich')
    with pytest.raises(ValueError, match='only one condition, clean'):
        assess('label noise', {'clean': conditions['clean']}, SHARES)


def test_conditions_on_other_images(conditions, tmp_path):
    truth, labels = make_images(20, seed=4)
    write_run(tmp_path / 'vich/seed_0', make_predictions(truth, labels))
    with pytest.raises(ValueError, match=r'(?s)^noise 10 %: .*were tested on other images'):
        assess('label noise', {'clean': conditions['clean'], 'noise 10 %': load_runs([tmp_path])}, SHARES)


def test_one_sign_in_all_seeds_is_needed(result):
    change = next(c for c in result.changes if c.standing(0.05) == 'falls')
    by_seed, change.by_seed = change.by_seed, (5.0, *change.by_seed[1:])
    assert change.standing(0.05) == 'unsteady'
    change.by_seed = by_seed
    adjusted, change.adjusted = change.adjusted, math.nan
    assert change.standing(0.05) == 'not significant'
    change.adjusted = adjusted


def write_noisy(root, rate, seed=0, **more):
    truth, labels = make_images(14)
    folder = write_run(root / 'vich/seed_0', make_predictions(truth, labels))
    finished = json.loads((folder / 'finished.json').read_text())
    if rate:
        name = 'train_dataloader.dataset'
        finished['settings'] = {
            f'{name}.type': 'mmfer.datasets.NoisyLabels',
            f'{name}.rate': rate,
            f'{name}.seed': seed,
        }
        finished['settings'].update({f'{name}.{key}': value for key, value in more.items()})
    (folder / 'finished.json').write_text(json.dumps(finished))
    return folder


def test_rates_are_read_from_what_trainings_leave(tmp_path):
    for rate in (0.3, 0, 0.1):
        write_noisy(tmp_path / str(rate), rate)
    groups = noise_conditions(read_runs([tmp_path / '0.3', tmp_path / '0', tmp_path / '0.1']))
    assert list(groups) == [0.0, 0.1, 0.3]
    assert [noise_name(rate) for rate in groups] == ['clean', 'noise 10 %', 'noise 30 %']
    assert groups[0.3][0].folder == tmp_path / '0.3/vich/seed_0'


def test_noise_that_cannot_be_told(tmp_path):
    folder = write_noisy(tmp_path / 'a', 0.3)
    write_noisy(tmp_path / 'b', 0.3, seed=1)
    with pytest.raises(ValueError, match='label noise of 30 % with the seeds 0, 1'):
        noise_conditions(read_runs([tmp_path]))
    write_noisy(tmp_path / 'b', 0.3, kind='asymmetric')
    with pytest.raises(ValueError, match='b/vich/seed_0: its label noise is not symmetric'):
        noise_conditions(read_runs([tmp_path]))
    write_noisy(tmp_path / 'b', 0.1)
    (folder / 'finished.json').unlink()
    with pytest.raises(ValueError, match='the label noise of vich, seed 0 is unknown'):
        noise_conditions(read_runs([tmp_path]))
    assert list(noise_conditions(read_runs([tmp_path / 'a']))) == [0.0]
