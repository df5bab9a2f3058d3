import numpy as np
import pytest
import torch
from head_checks import double, softmax
from scipy.special import entr
from scipy.stats import norm, qmc

from mmfer.models.heads.gaussian_softmax import CHUNK, gaussian_softmax


def both(mean, std):
    score, entropy = gaussian_softmax(torch.as_tensor(mean).float(), torch.as_tensor(std).float())
    return double(score), double(entropy)


@pytest.mark.parametrize('std', [0.0, 0.3, 1.0, 4.0])
def test_two_classes_are_an_integral_over_one_logit(std):
    gap = np.array([0.0, 0.7, -3.0, 8.0])
    spread = np.array([std, std / 2])
    nodes = np.linspace(-8, 8, 4001)
    p = 1 / (1 + np.exp(-(gap[:, None] + np.hypot(*spread) * nodes)))
    weights = norm.pdf(nodes) / norm.pdf(nodes).sum()
    score, entropy = both(np.stack([gap + 1, np.ones(4)], 1), np.tile(spread, (4, 1)))
    np.testing.assert_allclose(score[:, 0], p @ weights, atol=1e-4)
    np.testing.assert_allclose(entropy, (entr(p) + entr(1 - p)) @ weights, atol=2e-4)


@pytest.mark.parametrize('classes', [7, 11])
@pytest.mark.parametrize('std', [1.0, 4.0])
def test_within_a_thousandth_of_many_samples(classes, std):
    rng = np.random.default_rng(0)
    mean = np.stack([np.zeros(classes), 3 * rng.standard_normal(classes)])
    stds = np.stack([np.full(classes, std), std * rng.random(classes)])
    noise = norm.ppf(qmc.Sobol(classes, seed=1).random_base2(16))
    for m, s, score, entropy in zip(mean, stds, *both(mean, stds)):
        p = softmax(np.concatenate([m + s * noise, m - s * noise]))
        np.testing.assert_allclose(score, p.mean(0), atol=5e-4)
        assert entropy == pytest.approx(-(p * np.log(p)).sum(1).mean(), abs=5e-4)


def test_no_class_is_favoured():
    score, _ = both(np.zeros((1, 7)), np.full((1, 7), 4.0))
    np.testing.assert_allclose(score, 1 / 7, atol=1e-6)
    rng = np.random.default_rng(1)
    mean, std, order = rng.standard_normal((5, 7)), 4 * rng.random((5, 7)), rng.permutation(7)
    first, other = both(mean, std), both(mean[:, order], std[:, order])
    np.testing.assert_allclose(first[0][:, order], other[0], atol=1e-6)
    np.testing.assert_allclose(first[1], other[1], atol=1e-5)


def test_small_probabilities_keep_their_size():
    mean = np.array([[0.0, -9.0, -12.0]])
    score, _ = both(mean, np.full((1, 3), 0.5))
    noise = norm.ppf(qmc.Sobol(3, seed=1).random_base2(15))
    np.testing.assert_allclose(score, softmax(mean + 0.5 * noise).mean(0, keepdims=True), rtol=1e-3)


def test_without_deviation_it_is_the_softmax_and_a_huge_one_is_finite():
    mean = 5 * np.random.default_rng(2).standard_normal((4, 8))
    np.testing.assert_allclose(both(mean, np.zeros((4, 8)))[0], softmax(mean), atol=1e-6)
    assert all(np.isfinite(value).all() for value in both(mean, np.full((4, 8), 22000.0)))


def test_many_faces_are_taken_in_chunks():
    rng = np.random.default_rng(3)
    mean, std = 3 * rng.standard_normal((2 * CHUNK + 1, 7)), 4 * rng.random((2 * CHUNK + 1, 7))
    alone = [both(mean[i : i + 1], std[i : i + 1]) for i in range(len(mean))]
    for together, parts in zip(both(mean, std), zip(*alone)):
        np.testing.assert_allclose(together, np.concatenate(parts), rtol=0, atol=1e-6)
