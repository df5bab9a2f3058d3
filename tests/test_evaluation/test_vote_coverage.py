import numpy as np
import pytest
from scipy import stats

from mmfer.evaluation.functional import vote_coverage as C

LEVELS = (0.5, 0.8, 0.9, 0.95)


def make_faces(size=2000, std=1.0, told=None, people=(10,), seed=0, samples=100):
    """Faces whose logits scatter with ``std`` and votes of people on them; predicted with ``told`` in its place."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (size, 1, 4))

    def softmax(z):
        powers = np.exp(z)
        return powers / powers.sum(-1, keepdims=True)

    noise = rng.normal(size=(size, samples, 4))
    truth = softmax(logits + std * noise)
    drawn = truth[np.arange(size), rng.integers(0, samples, size)]  # one of the samples: the prediction is exact
    many = rng.choice(people, size)
    votes = rng.multinomial(many, drawn)
    return softmax(logits + (std if told is None else told) * noise), votes


def bounds_of(samples, votes):
    return *C.pit_bounds(C.predicted_counts(samples, votes.sum(1)), votes), samples.mean(1) > 0.05


def test_counts_of_faces_with_different_numbers_of_people():
    samples, votes = make_faces(40, people=(1, 4, 10))
    people = votes.sum(1)
    counts = C.predicted_counts(samples, people)
    n = np.arange(11)
    expected = stats.binom.pmf(n, people[:, None, None, None], samples[..., None]).mean(1)
    assert counts == pytest.approx(expected, abs=1e-12)
    lower, upper = C.pit_bounds(counts, votes)
    cdf = stats.binom.cdf(np.stack([votes - 1, votes])[:, :, None], people[:, None, None], samples).mean(2)
    assert lower == pytest.approx(cdf[0], abs=1e-12)
    assert upper == pytest.approx(cdf[1], abs=1e-12)


@pytest.mark.parametrize('people', [(10,), (1, 3, 10)])
def test_a_right_prediction_has_its_nominal_coverage(people):
    *bounds, chosen = bounds_of(*make_faces(people=people))
    coverage, error = C.coverage_curve(*bounds, chosen, LEVELS)
    assert (np.abs(coverage - LEVELS) < 3.5 * error).all()
    assert (error < 0.015).all()


def test_the_expected_coverage_of_one_face_is_exactly_nominal():
    """Over all counts, each as probable as the mixture says."""
    samples, _ = make_faces(5)
    counts = C.predicted_counts(samples, np.full(5, 10))
    for level in LEVELS:
        total = 0.0
        for n in range(11):
            votes = np.tile((n + np.arange(4)) % 11, (5, 1))  # in each class every count once
            probability = np.take_along_axis(counts, votes[..., None], 2)[..., 0]
            total = total + probability * C.held(*C.pit_bounds(counts, votes), level)
        assert total == pytest.approx(np.full((5, 4), level), abs=1e-9)


@pytest.mark.parametrize(('told', 'sign'), [(0.1, -1), (2.5, 1)])
def test_what_is_too_narrow_or_too_wide_is_found(told, sign):
    *bounds, chosen = bounds_of(*make_faces(told=told))
    coverage, error = C.coverage_curve(*bounds, chosen, LEVELS[:3])
    assert (sign * (coverage - LEVELS[:3]) > 8 * error).all()
    histogram = C.pit_histogram(*bounds, chosen)
    assert histogram.p_value < 1e-10
    outside = np.abs(histogram.density - 1) > histogram.band
    assert outside.sum() >= 5
    if sign < 0:
        assert histogram.density[[0, -1]].min() > 1.3  # a U


def test_the_interval_whose_width_is_told_is_the_one_that_is_held():
    """By draws of a count and of its place in its step."""
    samples, _ = make_faces(3)
    people = np.array([10, 4, 1])
    counts = C.predicted_counts(samples, people)
    rng = np.random.default_rng(0)
    for level in LEVELS:
        width = C.interval_width(counts, people, level)
        for face, k in np.ndindex(3, 4):
            drawn = rng.choice(counts.shape[2], 100_000, p=counts[face, k] / counts[face, k].sum()) + rng.random(
                100_000
            )
            low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
            assert width[face, k] * people[face] == pytest.approx(high - low, abs=0.1)
    certain = C.interval_width([[[0.0, 1.0, 0.0]]], [2], 0.9)
    assert certain == pytest.approx(np.array([[0.45]]))


def test_the_test_of_uniformity_keeps_its_level():
    """Though the classes of a face depend on each other: the same class eight times over changes nothing."""
    p_values, doubled = [], []
    for seed in range(200):
        *bounds, chosen = bounds_of(*make_faces(150, seed=seed, samples=20))
        p_values.append(C.pit_histogram(*bounds, chosen, 5).p_value)
        doubled.append(C.pit_histogram(*(np.tile(each, 8) for each in (*bounds, chosen)), 5).p_value)
    assert doubled == pytest.approx(p_values, abs=1e-6)
    assert stats.binom.sf(np.sum(np.array(p_values) < 0.1) - 1, 200, 0.1) > 0.001
    assert stats.kstest(p_values, 'uniform').pvalue > 0.001


def test_the_histogram_is_the_mean_of_the_steps():
    lower, upper, chosen = bounds_of(*make_faces(50))
    grid = np.linspace(0, 1, 8001)[1:] - 1 / 16000
    inside = (lower[..., None] <= grid) & (grid < upper[..., None])
    density = (inside / (upper - lower)[..., None])[chosen].mean(0).reshape(8, 1000).mean(1)
    histogram = C.pit_histogram(lower, upper, chosen, 8)
    assert histogram.density == pytest.approx(density, abs=0.02)
    assert histogram.density.mean() == pytest.approx(1, abs=1e-12)


def test_too_few_faces_for_a_test():
    lower, upper, chosen = bounds_of(*make_faces(3))
    assert np.isnan(C.pit_histogram(lower, upper, chosen).p_value)
    assert np.isnan(C.pit_histogram(lower[:1], upper[:1], chosen[:1]).band).all()


def test_what_was_thought_impossible_is_outside():
    lower, upper = C.pit_bounds(C.predicted_counts([[[1.0, 0.0]]], [4]), [[2, 2]])
    assert (lower.tolist(), upper.tolist()) == ([[0, 1]], [[0, 1]])
    assert (C.held(lower, upper, 0.99) == 0).all()
    assert C.pit_histogram(lower, upper, lower >= 0, 4).density.tolist() == [2, 0, 0, 2]


def test_bad_input():
    samples, votes = make_faces(5)
    counts = C.predicted_counts(samples, votes.sum(1))
    with pytest.raises(ValueError, match=r'people has shape \(4,\), expected \(5,\)'):
        C.predicted_counts(samples, votes.sum(1)[:4])
    with pytest.raises(ValueError, match='do not belong to votes'):
        C.pit_bounds(counts, votes[:, :3])
    with pytest.raises(ValueError, match='of up to 11 people'):
        C.pit_bounds(counts, np.full((5, 4), 11))
    with pytest.raises(ValueError, match='level=90'):
        C.held([0.1], [0.2], 90)
    with pytest.raises(ValueError, match='must have one shape'):
        C.pit_histogram(counts[..., 0], counts[..., 1], votes[:, 0] > 0)
    with pytest.raises(ValueError, match='num_bins=1'):
        C.pit_histogram(counts[..., 0], counts[..., 1], votes > 0, 1)
