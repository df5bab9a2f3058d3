import math
from pathlib import Path

import numpy as np
import pytest
from comparison_runs import make_images, make_predictions, runs_in, write_run
from scipy import stats
from sklearn import metrics as sk

from mmfer.experiments.figures import FIGURES, run_figures
from mmfer.experiments.results import Run


@pytest.fixture
def run(tmp_path):
    write_run(tmp_path / 'vich/seed_0', make_predictions(*make_images(300), deviation='good'))
    return runs_in(tmp_path)[0]


def simple_run(scores, labels, **fields):
    scores = np.array(scores, float)
    classes = tuple(map(str, range(scores.shape[1])))
    return Run('a', 0, Path('a'), [None] * len(scores), np.array(labels), scores, classes, **fields)


def test_against_other_libraries(run):
    found = run_figures(run)
    pred, hot = run.scores.argmax(1), np.eye(7)[run.labels]
    wrong = pred != run.labels
    expected = dict(
        accuracy=100 * sk.accuracy_score(run.labels, pred),
        mean_class_accuracy=100 * sk.balanced_accuracy_score(run.labels, pred),
        macro_f1=100 * sk.f1_score(run.labels, pred, average='macro'),
        nll=sk.log_loss(run.labels, run.scores, labels=range(7)),
        brier=np.square(run.scores - hot).sum(1).mean(),
        error_auroc=100 * sk.roc_auc_score(wrong, run.uncertainty),
        error_aupr=100 * sk.average_precision_score(wrong, run.uncertainty),
        kl=stats.entropy(run.gt_distribution, run.scores, axis=1).mean(),
        overconfidence=100 * (run.scores.max(1).mean() - (~wrong).mean()),
        deviation=run.pred_std.mean(),
        share_of_observer=100 * (~wrong).mean() / np.mean(run.gt_distribution.argmax(1) == run.labels),
    )
    gap, confidence = ~wrong - run.scores.max(1), run.scores.max(1)
    pairs = np.outer(gap, gap) * np.exp(-np.abs(np.subtract.outer(confidence, confidence)) / 0.1)
    expected['skce'] = 1e4 * (pairs.sum() - np.trace(pairs)) / (300 * 299)
    ambiguity = stats.entropy(run.gt_distribution, axis=1)
    for name, values in (
        ('uncertainty', run.uncertainty),
        ('deviation', run.pred_std.mean(1)),
        ('aleatoric', run.aleatoric),
        ('epistemic', run.epistemic),
    ):
        expected[f'{name}_spearman'] = stats.spearmanr(values, ambiguity).statistic
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-6), name


def test_selective_figures_by_brute_force(run):
    wrong = (run.scores.argmax(1) != run.labels)[np.argsort(run.uncertainty)]
    risk = np.cumsum(wrong) / np.arange(1, 301)
    best = np.cumsum(np.sort(wrong)) / np.arange(1, 301)
    found = run_figures(run)
    assert found['aurc'] == pytest.approx(100 * risk.mean())
    assert found['e_aurc'] == pytest.approx(100 * (risk.mean() - best.mean()))
    for percent in (80, 90, 95):
        assert found[f'accuracy_at_{percent}'] == pytest.approx(100 * (1 - risk[3 * percent - 1]))


def test_names_are_those_of_the_table(run):
    assert set(run_figures(run)) == set(FIGURES)
    bare = run_figures(simple_run([[0.6, 0.4], [0.3, 0.7]], [0, 0]))
    assert not {'kl', 'js', 'deviation', 'uncertainty_spearman', 'share_of_observer'} & set(bare)


@pytest.mark.parametrize(('labels', 'accuracy'), [([0, 0, 1], 100), ([1, 1, 0], 0)])
def test_all_right_and_all_wrong(labels, accuracy):
    found = run_figures(simple_run([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8]], labels))
    assert found['accuracy'] == accuracy
    assert found['aurc'] == 100 - accuracy
    assert found['e_aurc'] == 0
    assert math.isnan(found['error_auroc'])
    assert math.isnan(found['fpr95'])
    assert math.isnan(found['error_aupr']) == (accuracy == 100)
    assert math.isfinite(found['nll'])


def test_a_constant_orders_nothing():
    truth = np.array([[0.9, 0.1], [0.6, 0.4]])
    found = run_figures(simple_run([[0.9, 0.1], [0.4, 0.6]], [0, 0], gt_distribution=truth, epistemic=np.zeros(2)))
    assert math.isnan(found['epistemic_spearman'])
    assert found['uncertainty_spearman'] == 1
