import numpy as np
import pytest
from scipy import stats

from mmfer.evaluation import functional as F

RNG = np.random.default_rng(0)


def test_studentised_is_students_t_without_skewness():
    values = np.append(RNG.standard_normal(30), 0)
    values = np.append(values, -values) + 0.3
    found = F.studentised(*F.mean_influence(values))
    expected = stats.ttest_1samp(values, 0)
    assert found[1:3] == pytest.approx(expected.confidence_interval(0.95))
    assert found.p_value == pytest.approx(expected.pvalue)


def test_skewness_moves_the_interval_and_test_and_interval_agree():
    values = RNG.exponential(size=100)
    found = F.studentised(*F.mean_influence(values))
    assert found.high - found.value > 1.2 * (found.value - found.low)
    for level in (0.5, 0.9, 0.99):
        low, high = F.studentised(found.value, values - values.mean(), level)[1:3]
        for end in (low, high):
            assert F.studentised(found.value - end, values - values.mean()).p_value == pytest.approx(1 - level)


def test_no_spread_and_no_value():
    assert F.studentised(0.0, np.zeros(9)) == (0, 0, 0, 1)
    assert F.studentised(2.0, np.zeros(9)) == (2, 2, 2, 0)
    assert np.isnan(F.studentised(float('nan'), np.ones(9))).all()
    assert np.isnan(F.crossed([1.0], np.ones(9))[1:]).all()
    assert F.crossed([0.0, 0.0], np.zeros(9)) == (0, 0, 0, 1)
    with pytest.raises(ValueError, match='level=95'):
        F.studentised(0.0, np.ones(3), 95)


@pytest.mark.parametrize('right', [0, 3, 57, 60])
def test_proportions_have_the_exact_interval(right):
    expected = stats.binomtest(right, 60).proportion_ci(0.95, 'exact')
    assert F.proportion_interval([1] * right + [0] * (60 - right)) == pytest.approx(tuple(expected))


def test_shares_over_seeds_count_as_images_of_their_spread():
    seeds = RNG.random((4, 300)) < 0.8
    low, high = F.proportion_interval(seeds.mean(0))
    all_low, all_high = stats.binomtest(int(seeds.sum()), 1200).proportion_ci(0.95, 'exact')
    assert (low, high) == pytest.approx((all_low, all_high), abs=0.005)  # independent: as of 1,200 images
    same = np.repeat(seeds[:1], 4, axis=0).mean(0)
    assert F.proportion_interval(same) == pytest.approx(F.proportion_interval(seeds[0]))


def test_paired_proportions():
    found = F.paired_proportions([1] * 20 + [-1] * 5 + [0] * 75)
    assert found.p_value == pytest.approx(stats.binomtest(20, 25).pvalue)
    share, other = 21 / 102, 6 / 102  # Bonett & Price
    half = stats.norm.ppf(0.975) * np.sqrt((share + other - (share - other) ** 2) / 102)
    assert (found.low, found.high) == pytest.approx((share - other - half, share - other + half))
    assert F.paired_proportions(np.zeros(50)).low < 0 < F.paired_proportions(np.zeros(50)).high


def test_seeds_alone_are_a_paired_t_test():
    by_seed = [1.0, 1.4, 0.6, 1.1]
    found, expected = F.crossed(by_seed, np.zeros(100)), stats.ttest_1samp(by_seed, 0)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(expected.confidence_interval(0.95))
    images = RNG.standard_normal(50)
    alone = F.crossed([0.2, 0.2], images)
    assert alone.p_value == pytest.approx(2 * stats.t.sf(0.2 / (images.std(ddof=1) / np.sqrt(50)), 49))


def test_seeds_that_lie_close_by_chance_are_no_claim():
    """At the level of the smallest of 28 p-values, too, where one t for seeds and images claims nine times that."""
    rng, told = np.random.default_rng(4), np.zeros(2)
    for _ in range(4000):
        by_seed = rng.standard_normal() + 4 * rng.standard_normal(3)
        p_value = F.crossed(by_seed, np.sqrt(30) * rng.standard_normal(30)).p_value
        told += p_value < 0.05, p_value < 0.05 / 28
    assert told[0] <= 0.05 * 4000
    assert told[1] <= 0.05 / 28 * 4000


def test_interval_of_methods_ends_at_zero_at_the_level_of_its_p_value():
    by_seed, influence = [0.3, 0.5, 0.2], RNG.standard_normal(50)
    found = F.crossed(by_seed, influence)
    assert F.crossed(by_seed, influence, level=1 - found.p_value).low == pytest.approx(0, abs=1e-6)
    parts = np.var(by_seed, ddof=1) / 3, influence.var(ddof=1) / 50  # Banerjee
    half = np.sqrt(parts[0] * stats.t.ppf(0.975, 2) ** 2 + parts[1] * stats.t.ppf(0.975, 49) ** 2)
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half))


def test_methods_that_are_equal_on_new_images_are_not_told_apart_by_many_seeds():
    """The difference on these images is the same in every seed, but would be another on other images."""
    rng, told = np.random.default_rng(3), 0
    for _ in range(200):
        images = rng.standard_normal(100)
        seeds = images + 0.3 * rng.standard_normal((10, 100))
        told += F.crossed(seeds.mean(1), seeds.mean(0) - seeds.mean()).p_value < 0.05
    assert told <= 20
