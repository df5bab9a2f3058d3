import numpy as np
import pytest
import torch
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax

from mmfer.inference.calibration.scaling import fit_temperature, fit_vector
from mmfer.models.heads.calibration import FLOOR


def draw(seed, number=400, classes=7, scale=3.0, spread=1.0):
    """Scores of a model that is too sure, by a factor of ``scale``, and labels."""
    rng = np.random.default_rng(seed)
    logits = spread * rng.normal(size=(number, classes))
    target = np.array([rng.choice(classes, p=p) for p in softmax(logits, 1)])
    target[:classes] = np.arange(classes)
    return softmax(scale * logits + rng.normal(size=classes), 1), target


def log_likelihood(scores, target, weight, bias=0.0):
    """Written anew, of the normalised scores."""
    logs = np.log(np.maximum(scores / scores.sum(1, keepdims=True), FLOOR))
    return -log_softmax(weight * logs + bias, axis=1)[np.arange(len(target)), target].mean()


CASES = [
    dict(seed=0),
    dict(seed=1, scale=0.2),
    dict(seed=2, classes=2),
    dict(seed=3, number=30, classes=3),
    dict(seed=4, scale=30.0, spread=2.0),  # many zeros
    dict(seed=5, classes=11, number=2000),
]


@pytest.mark.parametrize('case', CASES)
def test_temperature_agrees_with_scipy(case):
    scores, target = draw(**case)
    found = fit_temperature(scores, target)
    best = minimize_scalar(
        lambda log: log_likelihood(scores, target, np.exp(-log)),
        bounds=(-6, 6),
        method='bounded',
        options=dict(xatol=1e-10),
    )
    assert found == pytest.approx(np.exp(best.x), rel=1e-5)
    value = log_likelihood(scores, target, 1 / found)
    assert value <= best.fun + 1e-12
    assert value <= log_likelihood(scores, target, 1.0)
    weight = torch.tensor(1 / found, dtype=torch.float64, requires_grad=True)
    torch_loss(scores, target, weight, 0).backward()
    assert abs(weight.grad) < 1e-8
    assert fit_temperature(scores, target) == found


def torch_loss(scores, target, weight, bias):
    logs = torch.from_numpy(np.log(np.maximum(scores / scores.sum(1, keepdims=True), FLOOR)))
    return torch.nn.functional.cross_entropy(weight * logs + bias, torch.from_numpy(target))


@pytest.mark.parametrize('case', CASES)
@pytest.mark.parametrize('ridge', [1.0, 1e-3])
def test_vector_agrees_with_scipy(case, ridge):
    scores, target = draw(**case)
    classes, number = scores.shape[1], len(scores)
    weight, bias = fit_vector(scores, target, ridge)
    centre = 1 / fit_temperature(scores, target)

    def objective(point):
        w, b = (torch.tensor(part, requires_grad=True) for part in np.split(point, 2))
        loss = torch_loss(scores, target, w, b) + ridge / (2 * number) * (
            (w - centre).square().sum() + b.square().sum()
        )
        loss.backward()
        return loss.item(), np.concatenate([w.grad, b.grad])

    point = np.concatenate([weight, bias])
    value, gradient = objective(point)
    assert np.linalg.norm(gradient) < 1e-8
    best = minimize(objective, np.ones(2 * classes), jac=True, method='BFGS', options=dict(gtol=1e-9, maxiter=2000))
    assert value <= best.fun + 1e-10
    np.testing.assert_allclose(point, best.x, atol=1e-4)
    likelihoods = [log_likelihood(scores, target, *pair) for pair in ((weight, bias), (centre,), (1.0,))]
    assert likelihoods == sorted(likelihoods)
    assert abs(bias.sum()) < 1e-6  # of all biases with the same likelihood the smallest


def test_a_known_calibration_is_found():
    rng = np.random.default_rng(0)
    true = softmax(1.5 * rng.normal(size=(100_000, 4)), 1)
    target = (true.cumsum(1) > rng.random((len(true), 1))).argmax(1)
    assert fit_temperature(softmax(2.5 * np.log(true), 1), target) == pytest.approx(2.5, rel=0.02)
    assert fit_temperature(true, target) == pytest.approx(1, rel=0.02)
    w, b = np.array([0.5, 1.0, 1.5, 2.0]), np.array([0.5, -0.5, 0.2, -0.2])
    logs = rng.normal(size=true.shape) * 2
    scores = softmax(logs, 1)
    wanted = softmax(w * np.log(scores) + b, 1)
    target = (wanted.cumsum(1) > rng.random((len(wanted), 1))).argmax(1)
    weight, bias = fit_vector(scores, target)
    np.testing.assert_allclose(weight, w, atol=0.08)
    np.testing.assert_allclose(bias, b, atol=0.08)


def test_certain_and_wrong():
    scores = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2, 0, 1, 2, 0]]
    target = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 1])  # the last is wrong, with a score of 0
    temperature = fit_temperature(scores, target)
    assert 10 < temperature < 60  # nine of ten: 2 e^(-87 / T) = 1 / 9
    assert softmax(np.log(np.maximum(scores, FLOOR)) / temperature, 1)[0].max() == pytest.approx(0.9, abs=1e-6)
    weight, bias = fit_vector(scores, target)
    assert np.isfinite(weight).all()
    assert np.isfinite(bias).all()


def test_almost_all_right():
    scores, target = draw(0, number=50)
    target = scores.argmax(1)
    target[0] = np.argsort(scores[0])[-2]
    temperature = fit_temperature(scores, target)
    assert 0 < temperature < 1
    assert log_likelihood(scores, target, 1 / temperature) <= log_likelihood(scores, target, 1.0)


def test_no_solution():
    scores, target = draw(0)
    with pytest.raises(ValueError, match='all 400 answers are right'):
        fit_temperature(scores, scores.argmax(1))
    with pytest.raises(ValueError, match='say nothing about the labels'):
        fit_temperature(scores, scores.argmin(1))
    with pytest.raises(ValueError, match='say nothing'):
        fit_temperature(np.full((9, 3), 1 / 3), np.arange(9) % 2)
    with pytest.raises(ValueError, match=r'none of class 2, 6'):
        fit_vector(scores[~np.isin(target, (2, 6))], target[~np.isin(target, (2, 6))])
    with pytest.raises(ValueError, match='no images'):
        fit_temperature(scores[:0], target[:0])
    with pytest.raises(ValueError, match='not finite'):
        fit_temperature(scores * np.nan, target)
    with pytest.raises(ValueError, match='ridge=0'):
        fit_vector(scores, target, 0)
