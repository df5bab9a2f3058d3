import numpy as np
import pytest
from scipy import stats

from mmfer.structures.predictive import normal_points, probability_samples, softmax

RNG = np.random.default_rng(3)
MEAN, STD = RNG.normal(0, 1.5, 8), RNG.uniform(0.1, 1.5, 8)


@pytest.mark.parametrize('count', [33, 64, 512])
def test_points_have_the_moments_of_a_normal_distribution(count):
    points = normal_points(count, 8)
    assert points.shape == (count, 8)
    np.testing.assert_allclose(points.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(points.T @ points / count, np.eye(8), atol=1e-12)


def test_gaussian_agrees_with_many_random_draws():
    drawn = softmax(MEAN + STD * RNG.standard_normal((200_000, 8)))
    samples = probability_samples(dict(pred_mean=MEAN, pred_std=STD), 2048)
    np.testing.assert_allclose(samples.mean(0), drawn.mean(0), atol=3e-3)
    np.testing.assert_allclose(samples.std(0), drawn.std(0), atol=5e-3)
    np.testing.assert_allclose(np.quantile(samples, 0.9, 0), np.quantile(drawn, 0.9, 0), atol=0.03)


def test_factor_makes_logits_go_together():
    factor = RNG.normal(0, 0.7, (8, 2))
    own = np.full(8, 0.3)
    std = np.sqrt(own**2 + (factor**2).sum(1))
    samples = probability_samples(dict(pred_mean=MEAN, pred_std=std, pred_factor=factor), 4096)
    drawn = softmax(MEAN + 0.3 * RNG.standard_normal((100_000, 8)) + RNG.standard_normal((100_000, 2)) @ factor.T)
    np.testing.assert_allclose(np.cov(samples.T), np.cov(drawn.T), atol=2e-3)
    alone = probability_samples(dict(pred_mean=MEAN, pred_std=std), 4096)
    assert np.abs(np.cov(alone.T) - np.cov(drawn.T)).max() > 5e-3


def test_dirichlet_has_its_moments_and_reaches_the_corners():
    alpha = np.array([0.02, 0.5, 3.0, 1.0])
    samples = probability_samples(dict(pred_concentration=alpha), 20_000)
    share = alpha / alpha.sum()
    np.testing.assert_allclose(samples.mean(0), share, atol=0.01)
    np.testing.assert_allclose(samples.var(0), share * (1 - share) / (alpha.sum() + 1), atol=0.01)
    assert stats.kstest(samples[:, 1], stats.beta(0.5, alpha.sum() - 0.5).cdf).statistic < 0.02
    tiny = probability_samples(dict(pred_concentration=np.full(3, 1e-4)), 100)
    np.testing.assert_allclose(tiny.sum(-1), 1)


@pytest.mark.parametrize('fields', [dict(pred_concentration=np.exp(MEAN)), dict(pred_mean=MEAN, pred_std=STD)])
def test_a_face_is_the_same_in_every_batch(fields):
    alone = probability_samples(fields, 64)
    batch = probability_samples({name: np.stack((value[::-1], value, value)) for name, value in fields.items()}, 64)
    assert batch.shape == (3, 64, 8)
    np.testing.assert_allclose(batch[1], alone, rtol=1e-12)


def test_members_and_points_are_taken_as_they_are():
    members = [[0.7, 0.3], [0.2, 0.8]]
    assert probability_samples(dict(pred_samples=members, pred_mean=[0, 0], pred_std=[1, 1])).tolist() == members
    assert probability_samples(dict(pred_score=[[0.7, 0.3]])).tolist() == [[[0.7, 0.3]]]


@pytest.mark.parametrize(
    ('fields', 'count', 'message'),
    [
        (dict(pred_mean=[0.0, 1.0]), 64, 'none of'),
        (dict(pred_mean=[0.0, np.nan], pred_std=[1, 1]), 64, 'pred_mean must be finite'),
        (dict(pred_mean=[0.0, 1.0], pred_std=[1, -1]), 64, 'not negative'),
        (dict(pred_concentration=[0.0, 1.0]), 64, 'above 0'),
        (dict(pred_mean=[0.0] * 9, pred_std=[1] * 9), 8, '18 or more'),
        (dict(pred_score=[0.5, 0.5]), 1, 'count=1'),
    ],
)
def test_bad_input(fields, count, message):
    with pytest.raises(ValueError, match=message):
        probability_samples(fields, count)
