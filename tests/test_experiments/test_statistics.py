import math

import numpy as np
import pytest
from comparison_runs import make_images, make_predictions, runs_in, write_methods, write_run
from scipy import stats

from mmfer.evaluation import functional as F
from mmfer.experiments.statistics import compare, difference_of, needed_replicates, needed_seeds


def made(tmp_path, methods, **options):
    return runs_in(write_methods(tmp_path, methods, **options))


def test_summaries_over_seeds(tmp_path):
    runs = made(tmp_path, dict(a={}, b=dict(noise=2)), seeds=(0, 1, 2))
    result = compare(runs)
    values = [100 * np.mean(run.scores.argmax(1) == run.labels) for run in runs[:3]]
    own = result.summaries['a']['accuracy']
    assert list(own.values.values()) == pytest.approx(values)
    assert own.mean == pytest.approx(np.mean(values))
    assert own.std == pytest.approx(np.std(values, ddof=1))
    assert own.low < own.mean < own.high
    assert math.isnan(result.summaries['a']['macro_f1'].low)


def test_the_interval_resamples_images_and_averages_seeds(tmp_path):
    runs = made(tmp_path, dict(a={}), seeds=(0, 1, 2), num=400)
    own = compare(runs).summaries['a']['accuracy']
    right = np.mean([run.scores.argmax(1) == run.labels for run in runs], axis=0)
    half = 1.96 * 100 * right.std() / 20
    assert own.high - own.low == pytest.approx(2 * half, rel=0.12)


@pytest.mark.parametrize('name', ['accuracy', 'nll', 'ece', 'aurc'])
def test_differences_are_those_of_the_paired_bootstrap(tmp_path, name):
    runs = made(tmp_path, dict(a={}, b=dict(noise=1.3)), seeds=(0,), num=80)
    result = compare(runs)

    def figure(run):
        confidence, correct = F.top_label(run.scores, run.labels)
        return dict(
            accuracy=lambda w: 100 * w @ correct / len(correct),
            nll=lambda w: F.nll(run.scores, run.labels, w),
            ece=lambda w: 100 * F.expected_calibration_error(F.calibration_bins(confidence, correct, weights=w)),
            aurc=lambda w: 100 * F.aurc(F.rank_samples(run.uncertainty, ~correct, w)),
        )[name]

    expected = F.paired_bootstrap(figure(runs[0]), figure(runs[1]), 80, result.replicates)
    assert result.tests[name][0].difference == pytest.approx(expected, abs=1e-9)


def test_mcnemar_for_each_seed_with_holm(tmp_path):
    runs = made(tmp_path, dict(a={}, b=dict(noise=2), c=dict(noise=4)), seeds=(0, 1))
    result = compare(runs)
    assert len(result.mcnemar) == 6
    right = {(run.method, run.seed): run.scores.argmax(1) == run.labels for run in runs}
    p_values = []
    for test in result.mcnemar:
        a, b = right[test.first, test.seed], right[test.second, test.seed]
        only = int((a & ~b).sum()), int((b & ~a).sum())
        assert test.result[:2] == only
        p_values.append(stats.binomtest(only[0], sum(only)).pvalue if sum(only) else 1.0)
        assert test.result.p_value == pytest.approx(p_values[-1])
    assert [test.adjusted for test in result.mcnemar] == pytest.approx(holm_by_hand(p_values))


def holm_by_hand(p_values):
    order, adjusted, least = np.argsort(p_values), np.empty(len(p_values)), 0.0
    for i, at in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - i) * p_values[at]))
        adjusted[at] = least
    return adjusted


def test_holm_over_the_pairs_of_a_figure(tmp_path):
    result = compare(made(tmp_path, dict(a={}, b=dict(noise=2), c=dict(noise=1.2)), seeds=(0,)))
    assert result.pairs == [('a', 'b'), ('a', 'c'), ('b', 'c')]
    tests = result.tests['nll']
    assert [t.adjusted for t in tests] == pytest.approx(holm_by_hand([t.difference.p_value for t in tests]))


def test_pairs_can_be_asked_for_either_way(tmp_path):
    result = compare(made(tmp_path, dict(a={}, b=dict(noise=3)), seeds=(0, 1)))
    there, back = result.test('nll', 'a', 'b'), result.test('nll', 'b', 'a')
    assert back.difference.value == -there.difference.value
    assert (back.difference.low, back.difference.high) == (-there.difference.high, -there.difference.low)
    assert back.adjusted == there.adjusted
    assert result.test('nll', 'a', 'c') is None


def test_many_methods_are_tested_against_a_reference(tmp_path):
    methods = {f'm{i}': {} for i in range(7)}
    methods.update(vich_kl=dict(deviation='good'), vich=dict(deviation='noise'), linear={})
    runs = made(tmp_path, methods, seeds=(0,), num=20)
    result = compare(runs)
    assert result.reference == 'vich'
    assert result.pairs == [(name, 'vich') for name in sorted(methods) if name != 'vich']
    result = compare(runs, reference='linear')
    assert ('vich_kl', 'vich') in result.pairs
    assert len(result.pairs) == 10
    with pytest.raises(ValueError, match="reference='rul' is none of the methods: linear, m0"):
        compare(runs, reference='rul')


def test_wrong_arguments(tmp_path):
    runs = made(tmp_path, dict(a={}), seeds=(0,), num=20)
    with pytest.raises(ValueError, match='level=95'):
        compare(runs, level=95)
    with pytest.raises(ValueError, match='no runs'):
        compare([])


def test_different_seeds_use_the_common_ones(tmp_path):
    truth, labels = make_images(40)
    for method, seeds in dict(a=(0, 1, 2), b=(1, 2, 3), c=(7,)).items():
        for seed in seeds:
            write_run(tmp_path / method / f'seed_{seed}', make_predictions(truth, labels, seed=seed + ord(method)))
    runs = runs_in(tmp_path)
    result = compare(runs)
    test = result.test('accuracy', 'a', 'b')
    assert test.seeds == (1, 2)
    accuracy = {(run.method, run.seed): 100 * np.mean(run.scores.argmax(1) == run.labels) for run in runs}
    assert test.by_seed == pytest.approx([accuracy['a', s] - accuracy['b', s] for s in (1, 2)])
    none = result.test('accuracy', 'a', 'c')
    assert none.seeds == ()
    assert math.isnan(none.adjusted)
    assert {test.seed for test in result.mcnemar} == {1, 2}


def test_seeds_are_tested_only_where_they_can_tell(tmp_path):
    few = compare(made(tmp_path / 'few', dict(a={}, b=dict(noise=3)), seeds=range(5), num=20))
    assert few.seeds_needed == 6
    assert few.tests['nll'][0].wilcoxon is None
    enough = compare(made(tmp_path / 'enough', dict(a={}, b=dict(noise=3)), seeds=range(6), num=20))
    test = enough.tests['nll'][0]
    expected = stats.wilcoxon(test.by_seed, method='exact')
    assert test.wilcoxon.p_value == pytest.approx(expected.pvalue)
    assert test.wilcoxon_adjusted == test.wilcoxon.p_value == 2**-5
    assert test.sign.second == 6


@pytest.mark.parametrize('pairs', [1, 3, 28])
def test_enough_seeds_and_replicates(pairs):
    seeds = needed_seeds(pairs, 0.95)
    assert 2.0 ** (1 - seeds) * pairs <= 0.05 < 2.0 ** (2 - seeds) * pairs
    assert 2 / (needed_replicates(pairs, 0.95) + 1) * pairs <= 0.025


def test_one_method_has_no_tests(tmp_path):
    result = compare(made(tmp_path, dict(a=dict(deviation='good')), seeds=(0,), num=20))
    assert result.pairs == result.mcnemar == []
    assert result.tests == {}
    assert math.isnan(result.summaries['a']['accuracy'].std)
    assert [test.what for test in result.ambiguity] == ['uncertainty', 'deviation', 'aleatoric', 'epistemic']


def test_equal_methods_do_not_differ(tmp_path):
    truth, labels = make_images(30)
    for method in 'ab':
        write_run(tmp_path / method / 'seed_0', make_predictions(truth, labels))
    result = compare(runs_in(tmp_path))
    for tests in result.tests.values():
        assert tests[0].difference == (0, 0, 0, 1)
        assert tests[0].adjusted == 1
        assert not tests[0].steady


def test_ambiguity_and_the_kl_term(tmp_path):
    methods = dict(vich_kl=dict(deviation='good'), vich=dict(deviation='noise'), mc=dict(deviation='constant'))
    result = compare(made(tmp_path, methods, seeds=(0, 1)))
    ranks = {test.first: test for test in result.ambiguity if test.what == 'deviation'}
    assert ranks['vich_kl'].difference.low > 0
    assert ranks['vich_kl'].adjusted < 0.05
    assert ranks['vich'].difference.low < 0 < ranks['vich'].difference.high
    assert math.isnan(ranks['mc'].adjusted)
    assert result.kl_effect.difference.low > 0
    assert result.observer > 0


def test_undefined_differences():
    nan = float('nan')
    assert difference_of(nan, np.ones(3), 0.95)[1:] == pytest.approx((nan,) * 3, nan_ok=True)
    assert difference_of(1.0, np.full(3, nan), 0.95)[1:] == pytest.approx((nan,) * 3, nan_ok=True)
    assert difference_of(1.0, np.array([1.0, nan]), 0.95).p_value == pytest.approx(2 / 2)
