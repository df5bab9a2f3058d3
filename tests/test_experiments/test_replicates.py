import numpy as np
import pytest
from comparison_runs import runs_in, write_methods

from mmfer.evaluation import functional as F
from mmfer.experiments.figures import run_figures
from mmfer.experiments.replicates import RESAMPLED, figure_replicates


@pytest.fixture
def runs(tmp_path):
    write_methods(tmp_path, dict(linear={}, vich=dict(deviation='good')), seeds=(0,), num=150)
    return runs_in(tmp_path)


def expected(run, weights):
    confidence, correct = F.top_label(run.scores, run.labels)
    ambiguity = F.entropy(run.gt_distribution)
    values = dict(
        accuracy=100 * (weights @ correct) / len(correct),
        nll=F.nll(run.scores, run.labels, weights),
        brier=F.brier(run.scores, run.labels, weights),
        ece=100 * F.expected_calibration_error(F.calibration_bins(confidence, correct, weights=weights)),
        aurc=100 * F.aurc(F.rank_samples(run.uncertainty, ~correct, weights)),
        kl=weights @ F.kl_divergence(run.gt_distribution, run.scores) / len(correct),
        js=weights @ F.jensen_shannon(run.gt_distribution, run.scores) / len(correct),
    )
    for name in ('uncertainty', 'deviation', 'aleatoric', 'epistemic'):
        if getattr(run, name) is not None:
            values[f'{name}_spearman'] = F.rank_correlation(getattr(run, name), ambiguity, weights)
    return values


@pytest.mark.parametrize('ties', [False, True])
def test_they_are_those_of_the_functions(runs, ties):
    if ties:
        for run in runs:
            run.uncertainty = run.uncertainty.round(1)
        runs[1].epistemic = runs[1].epistemic.round(1)
    weights = np.concatenate(list(F.resamples(150, 70, 3)))
    for run, found in zip(runs, figure_replicates(runs, 70, 3)):
        values = expected(run, weights)
        assert list(found) == [name for name in RESAMPLED if name in values]
        for name, value in values.items():
            assert found[name] == pytest.approx(value, abs=1e-9), name


def test_means_vary_around_the_figure(runs):
    figures, found = run_figures(runs[1]), figure_replicates(runs, 400)[1]
    for name in ('accuracy', 'nll', 'brier', 'kl', 'js'):
        assert abs(found[name].mean() - figures[name]) < 0.2 * found[name].std(), name


def test_constant_values_have_no_correlation(runs):
    runs[1].epistemic = np.zeros(150)
    found = figure_replicates(runs, 20)[1]
    assert np.isnan(found['epistemic_spearman']).all()
    assert np.isfinite(found['uncertainty_spearman']).all()
