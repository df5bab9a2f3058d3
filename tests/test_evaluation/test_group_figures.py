import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss

from mmfer.evaluation import functional as F
from mmfer.evaluation.functional.group_figures import BINS, FIGURES


@pytest.fixture
def faces():
    rng = np.random.default_rng(3)
    scores = rng.dirichlet(np.ones(4), 300)
    labels = np.array([rng.choice(4, p=0.3 * row + 0.7 / 4) for row in scores])  # overconfident in every bin
    return scores, labels, rng.dirichlet(np.ones(4), 300), np.flatnonzero(rng.random(300) < 0.4)


def test_figures_of_some_rows_are_those_of_other_libraries_and_functions(faces):
    scores, labels, truth, rows = faces
    own, target = scores[rows], labels[rows]
    confidence, correct = F.top_label(own, target)
    wrong, unsure = ~correct, F.entropy(own)
    answered = unsure <= F.threshold_at_coverage(F.entropy(scores), 0.9)
    expected = dict(
        accuracy=100 * accuracy_score(target, own.argmax(1)),
        mean_class_accuracy=100 * balanced_accuracy_score(target, own.argmax(1)),
        nll=log_loss(target, own, labels=range(4)),
        brier=F.brier(own, target),
        overconfidence=100 * F.overconfidence(confidence, correct),
        ece=100 * F.expected_calibration_error(F.calibration_bins(confidence, correct, BINS)),
        skce=1e4 * F.skce(confidence, correct)[0],
        aurc=100 * F.aurc(F.rank_samples(unsure, wrong)),
        selective_risk=100 * wrong[answered].mean(),
        coverage=100 * answered.mean(),
        js=F.jensen_shannon(truth[rows], own).mean(),
        kl=F.kl_divergence(truth[rows], own).mean(),
    )
    assert expected.keys() == FIGURES.keys()
    for name, value in expected.items():
        assert F.group_figure(name, scores, labels, truth=truth).over(rows)[0] == pytest.approx(value), name


@pytest.mark.parametrize('name', FIGURES)
def test_influence_is_what_leaving_a_face_out_changes(faces, name):
    scores, labels, truth, rows = faces
    figure = F.group_figure(name, scores, labels, truth=truth)
    value, influence = figure.over(rows)
    without = np.array([figure.over(np.delete(rows, i))[0] for i in range(len(rows))])
    assert influence.mean() == pytest.approx(0, abs=1e-9)
    assert np.corrcoef(influence, value - without)[0, 1] > 0.97
    assert influence.std() == pytest.approx((value - without).std() * len(rows), rel=0.15)


def test_rounding_of_scores_is_divided_out(faces):
    scores, labels, truth, rows = faces
    for name in FIGURES:
        rounded, exact = (
            F.group_figure(name, each, labels, truth=truth).over(rows) for each in (1.0009 * scores, scores)
        )
        np.testing.assert_allclose(rounded[0], exact[0], rtol=1e-9, err_msg=name)
        np.testing.assert_allclose(rounded[1], exact[1], atol=1e-9, err_msg=name)


def test_one_threshold_for_all_groups(faces):
    scores, labels, _, rows = faces
    unsure = F.entropy(scores)
    figure = F.group_figure('selective_risk', scores, labels, threshold=0.9)
    own = rows[unsure[rows] <= 0.9]
    assert figure.over(rows)[0] == pytest.approx(100 * (scores[own].argmax(1) != labels[own]).mean())
    assert np.isnan(figure.over(rows[unsure[rows] > 0.9])[0])


def test_a_mean_over_seeds(faces):
    scores, labels, _, rows = faces
    figures = [F.group_figure('nll', each, labels) for each in (scores, scores[:, ::-1])]
    value, influence = F.mean_over(figures).over(rows)
    assert value == pytest.approx(np.mean([figure.over(rows)[0] for figure in figures]))
    np.testing.assert_allclose(influence, np.mean([figure.over(rows)[1] for figure in figures], axis=0))


def test_what_cannot_be(faces):
    scores, labels, _, _ = faces
    with pytest.raises(ValueError, match="'recall' is no figure of groups. Take one of accuracy"):
        F.group_figure('recall', scores, labels)
    with pytest.raises(ValueError, match='js needs votes or true distributions. Set keep_score=True'):
        F.group_figure('js', scores, labels)
    for name in set(FIGURES) - {'js', 'kl'}:
        assert np.isnan(F.group_figure(name, scores, labels).over(np.zeros(0, int))[0])
