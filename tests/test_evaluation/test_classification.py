import numpy as np
import pytest
from sklearn import metrics

from mmfer.evaluation import functional
from mmfer.evaluation.functional.classification import weighted_f1

FIGURES = (functional.accuracy, functional.mean_class_accuracy, functional.macro_f1, weighted_f1)


@pytest.mark.parametrize('seed', range(5))
def test_agree_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 7, 200)
    pred = np.where(rng.random(200) < 0.6, target, rng.integers(0, 7, 200))
    matrix = functional.confusion_matrix(pred, target, 7)
    np.testing.assert_array_equal(matrix, metrics.confusion_matrix(target, pred, labels=range(7)))
    assert functional.accuracy(matrix) == pytest.approx(metrics.accuracy_score(target, pred), abs=1e-12)
    balanced = metrics.balanced_accuracy_score(target, pred)
    assert functional.mean_class_accuracy(matrix) == pytest.approx(balanced, abs=1e-12)
    assert functional.macro_f1(matrix) == pytest.approx(metrics.f1_score(target, pred, average='macro'), abs=1e-12)
    assert weighted_f1(matrix) == pytest.approx(metrics.f1_score(target, pred, average='weighted'), abs=1e-12)


@pytest.mark.filterwarnings('ignore:y_pred contains classes')
def test_classes_without_samples():
    target, pred = np.array([0, 0, 2]), np.array([0, 1, 2])
    matrix = functional.confusion_matrix(pred, target, 5)
    assert functional.mean_class_accuracy(matrix) == pytest.approx(metrics.balanced_accuracy_score(target, pred))
    f1 = metrics.f1_score(target, pred, labels=np.unique(target), average='macro')  # else 1 counts as 0
    assert functional.macro_f1(matrix) == pytest.approx(f1)
    assert weighted_f1(matrix) == pytest.approx(metrics.f1_score(target, pred, average='weighted'))
    assert np.isnan(functional.class_accuracy(matrix)[[1, 3, 4]]).all()
    assert np.isnan(functional.class_f1(matrix)[[3, 4]]).all()


def test_no_samples_at_all():
    matrix = functional.confusion_matrix([], [], 3)
    assert np.isnan([f(matrix) for f in FIGURES]).all()
    weighted = functional.confusion_matrix([], [], 3, np.zeros((4, 0)))
    assert weighted.shape == (4, 3, 3)
    assert np.isnan([f(weighted) for f in FIGURES]).all()


def test_weights_repeat_samples():
    rng = np.random.default_rng(0)
    pred, target = rng.integers(0, 4, (2, 30))
    target[target == 3] = 0  # a class without samples
    weights = rng.multinomial(30, np.full(30, 1 / 30), size=(2, 3))
    matrices = functional.confusion_matrix(pred, target, 4, weights)
    assert matrices.shape == (2, 3, 4, 4)
    for i, j in np.ndindex(2, 3):
        drawn = np.repeat(np.arange(30), weights[i, j])
        matrix = functional.confusion_matrix(pred[drawn], target[drawn], 4)
        np.testing.assert_array_equal(matrices[i, j], matrix)
        for figure in (*FIGURES, functional.class_accuracy, functional.class_f1):
            np.testing.assert_allclose(figure(matrices)[i, j], figure(matrix), atol=1e-12)


def test_bad_labels():
    with pytest.raises(ValueError, match=r'target has labels 0..3, expected 0..2'):
        functional.confusion_matrix([0, 1], [0, 3], 3)
    with pytest.raises(ValueError, match='length'):
        functional.confusion_matrix([0, 1], [0], 3)
