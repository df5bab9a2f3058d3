import numpy as np
import pytest
from comparison_runs import runs_in, write_methods

from mmfer.evaluation import functional as F
from mmfer.experiments import compare
from mmfer.experiments.plan import Plan, measured, methods_power, seeds_for


def simulated(plan, points, seeds, repetitions=400):
    """Shares in which trained models, and in which methods are told apart, for normal differences of images."""
    rng, told = np.random.default_rng(0), np.zeros(2)
    for _ in range(repetitions):
        variance = plan.variance(points)
        image = np.sqrt(variance * plan.shared) * rng.standard_normal(plan.images)
        own = np.sqrt(variance * (1 - plan.shared)) * rng.standard_normal((seeds, plan.images))
        gaps = points + image + own
        told[0] += F.studentised(*F.mean_influence(gaps.mean(0)), skewed=False).p_value < 0.05
        gaps += np.sqrt(2) * plan.seed_std * rng.standard_normal((seeds, 1))
        told[1] += F.crossed(gaps.mean(1), gaps.mean(0) - gaps.mean()).p_value < 0.05
    return told / repetitions


@pytest.mark.parametrize(('points', 'seeds'), [(2.0, 2), (2.0, 5), (5.0, 3)])
def test_power_is_what_simulation_shows(points, seeds):
    plan = Plan(300, seed_std=1.0)
    models, methods = simulated(plan, points, seeds)
    assert plan.models(points, seeds) == pytest.approx(models, abs=0.07)
    assert plan.methods(points, seeds) == pytest.approx(methods, abs=0.1)


def test_more_of_anything_is_more_power():
    plan = Plan(500)
    assert plan.methods(2, 1) == 0
    assert plan.methods(2, 3) < plan.methods(2, 6) < plan.methods(3, 6) < Plan(5000).methods(3, 6)
    assert Plan(500, tests=28).models(2, 3) < plan.models(2, 3)
    assert '5 points' in plan.table()
    assert 'no number of seeds suffices' in Plan(50).table()
    assert '500 test images, accuracy 85.0 %' in plan.describe()


def test_seeds_for_a_difference_as_large_as_found(tmp_path):
    runs = runs_in(write_methods(tmp_path, dict(a=dict(noise=1.5), b=dict(noise=2)), seeds=(0, 1, 2), num=300))
    test = compare(runs).test('accuracy', 'a', 'b')
    number = seeds_for(test, 300, 0.05)
    if number:
        half = (test.images.high - test.images.low) / 2 / 1.959964
        values = (np.var(test.by_seed, ddof=1), half**2, 0.0, 300, 0.05)
        assert methods_power(abs(test.methods.value), number, *values) >= 0.8
        assert number == 2 or methods_power(abs(test.methods.value), number - 1, *values) < 0.8


def test_a_difference_takes_images_that_are_answered_differently():
    """However alike two methods answer, one that is better by 2 points is right on 2 % of the images alone."""
    alike, other = (Plan(1000, seed_std=0, correlation=correlation) for correlation in (1.0, 0.5))
    assert alike.variance(2) == pytest.approx(np.var([100] * 2 + [0] * 98))
    assert alike.models(2, 1) == pytest.approx(0.99, abs=0.01)
    assert alike.models(0.5, 1) < 0.65
    assert other.variance(2) == pytest.approx(1e4 * 0.85 * 0.15)


def test_equal_answers_measure_no_more_than_they_tell(tmp_path):
    plan = measured(runs_in(write_methods(tmp_path, dict(a=dict(noise=0), b=dict(noise=0)))), 1, 0.95)
    assert (plan.correlation, plan.shared, plan.seed_std) == (pytest.approx(1), Plan.shared, 0)
    assert '5 points' in plan.table()


def test_measured_from_finished_runs(tmp_path):
    runs = runs_in(write_methods(tmp_path, dict(a={}, b=dict(noise=2)), seeds=(0, 1, 2), num=300))
    plan = measured(runs, 1, 0.95)
    right = [run.scores.argmax(1) == run.labels for run in runs]
    assert plan.images == 300
    assert plan.accuracy == pytest.approx(np.mean(right))
    assert 0 < plan.correlation < 1
    assert 0 <= plan.shared <= 1
    assert plan.seed_std >= 0
