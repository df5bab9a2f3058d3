import math

import numpy as np
import pytest
from comparison_runs import runs_in, write_methods
from scipy import stats

from mmfer.evaluation import functional as F
from mmfer.evaluation.functional.intervals import Difference
from mmfer.experiments.statistics import TESTED, PairedTest, adjust, compare, pairs_to_test


def made(tmp_path, methods, **options):
    return runs_in(write_methods(tmp_path, methods, **options))


def right(run):
    return (run.scores.argmax(1) == run.labels).astype(float)


def test_summaries_over_seeds(tmp_path):
    runs = made(tmp_path, dict(a={}, b=dict(noise=2)), seeds=(0, 1, 2))
    result = compare(runs)
    values = [100 * right(run).mean() for run in runs[:3]]
    own = result.summaries['a']['accuracy']
    assert list(own.values.values()) == pytest.approx(values)
    assert own.mean == pytest.approx(np.mean(values))
    assert own.std == pytest.approx(np.std(values, ddof=1))
    shares = np.mean([right(run) for run in runs[:3]], axis=0)
    assert (own.low, own.high) == pytest.approx([100 * end for end in F.proportion_interval(shares)])
    assert math.isnan(result.summaries['a']['macro_f1'].low)
    nll = -np.log([run.scores[np.arange(60), run.labels] for run in runs[:3]])
    expected = F.studentised(*F.mean_influence(nll.mean(0)))
    assert result.summaries['a']['nll'][3:] == pytest.approx(expected[1:3])


def test_one_seed_is_mcnemars_test(tmp_path):
    runs = made(tmp_path, dict(a={}, b=dict(noise=2)), seeds=(0,), num=200)
    test = compare(runs).test('accuracy', 'a', 'b')
    gap = right(runs[0]) - right(runs[1])
    assert test.discordant == ((gap > 0).sum(), (gap < 0).sum())
    assert test.images.p_value == pytest.approx(stats.binomtest(test.discordant[0], sum(test.discordant)).pvalue)
    assert test.images.value == pytest.approx(100 * gap.mean())
    assert math.isnan(test.methods.p_value)


def test_several_seeds_are_tested_over_images_and_over_seeds(tmp_path):
    runs = made(tmp_path, dict(a={}, b=dict(noise=1.5)), seeds=range(4), num=200)
    test = compare(runs).test('nll', 'a', 'b')
    losses = -np.log([run.scores[np.arange(200), run.labels] for run in runs])
    gaps = losses[:4] - losses[4:]
    assert test.by_seed == pytest.approx(gaps.mean(1))
    assert test.images == pytest.approx(F.studentised(*F.mean_influence(gaps.mean(0)), skewed=False))
    assert test.methods == pytest.approx(F.crossed(gaps.mean(1), gaps.mean(0) - gaps.mean()))


def holm_by_hand(p_values):
    order, adjusted, least = np.argsort(p_values), np.empty(len(p_values)), 0.0
    for i, at in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - i) * p_values[at]))
        adjusted[at] = least
    return adjusted


@pytest.mark.parametrize('statement', ['images', 'methods'])
def test_holm_over_the_pairs_of_a_figure_or_over_all(tmp_path, statement):
    runs = made(tmp_path, dict(a={}, b=dict(noise=2), c=dict(noise=1.2)))
    result = compare(runs)
    assert result.pairs == [('a', 'b'), ('a', 'c'), ('b', 'c')]
    assert list(result.tests) == list(TESTED)
    for primary, groups in (('nll', result.tests.values()), ('all', [sum(result.tests.values(), [])])):
        result = compare(runs, primary=primary)
        expected = [holm_by_hand([getattr(t, statement).p_value for t in tests]) for tests in groups]
        found = [getattr(t, f'{statement}_adjusted') for tests in result.tests.values() for t in tests]
        assert found == pytest.approx(np.concatenate(expected))


def test_tests_that_were_not_made_are_not_counted():
    def made_test(p_value, discordant=None):
        return PairedTest('a', 'b', 'accuracy', images=Difference(1.0, 0.0, 2.0, p_value), discordant=discordant)

    tests = [made_test(0.03, (6, 0)), made_test(1e-9, (90, 0)), made_test(math.nan)]
    adjust(tests)
    assert [test.tests for test in tests] == [2, 2, 2]
    assert tests[0].standing(0.05) == 'better'
    # six images can be enough where the other test is rejected, and cannot where it is not
    tests = [made_test(0.22, (5, 1)), made_test(1e-9, (90, 0))]
    adjust(tests)
    assert (tests[0].least, tests[0].standing(0.05)) == (2.0**-5, 'not shown')
    tests = [made_test(0.22, (5, 1)), made_test(0.5, (50, 40))]
    adjust(tests)
    assert (tests[0].least, tests[0].standing(0.05)) == (2.0**-4, 'too few')


def test_pairs_can_be_asked_for_either_way(tmp_path):
    result = compare(made(tmp_path, dict(a={}, b=dict(noise=3))))
    there, back = result.test('accuracy', 'a', 'b'), result.test('accuracy', 'b', 'a')
    assert back.images.value == -there.images.value
    assert (back.methods.low, back.methods.high) == (-there.methods.high, -there.methods.low)
    assert back.discordant == there.discordant[::-1]
    assert back.images_adjusted == there.images_adjusted
    assert result.test('nll', 'a', 'c') is None


def test_many_methods_are_tested_against_a_reference(tmp_path):
    methods = {f'm{i}': {} for i in range(7)}
    methods.update(vich_kl=dict(deviation='good'), vich=dict(deviation='noise'), linear={})
    runs = made(tmp_path, methods, seeds=(0,), num=20)
    result = compare(runs)
    assert result.reference == 'vich'
    assert result.pairs == [(name, 'vich') for name in sorted(methods) if name != 'vich']
    result = compare(runs, reference='linear')
    assert len(result.pairs) == 9
    assert [len(pairs_to_test(list('abcdefghi')[:n])[1]) for n in (2, 8, 9)] == [1, 28, 8]
    assert len(pairs_to_test(['a', 'b', 'c'], 'c')[1]) == 2
    with pytest.raises(ValueError, match="reference='rul' is none of the methods: linear, m0"):
        compare(runs, reference='rul')


def test_wrong_arguments(tmp_path):
    runs = made(tmp_path, dict(a={}), seeds=(0,), num=20)
    with pytest.raises(ValueError, match='level=95'):
        compare(runs, level=95)
    with pytest.raises(ValueError, match='no runs'):
        compare([])
    with pytest.raises(ValueError, match="primary='ece': the runs have accuracy, nll, skce"):
        compare(runs, primary='ece')


def test_one_method_has_no_tests(tmp_path):
    result = compare(made(tmp_path, dict(a=dict(deviation='good')), seeds=(0,), num=20))
    assert result.pairs == []
    assert result.tests == {}
    assert math.isnan(result.summaries['a']['accuracy'].std)
    assert [test.what for test in result.ambiguity] == ['uncertainty', 'deviation', 'aleatoric', 'epistemic']


def test_ambiguity(tmp_path):
    methods = dict(vich_kl=dict(deviation='good'), vich=dict(deviation='noise'), mc=dict(deviation='constant'))
    result = compare(made(tmp_path, methods))
    ranks = {test.first: test for test in result.ambiguity if test.what == 'deviation'}
    assert ranks['vich_kl'].images.low > 0
    assert ranks['vich_kl'].images_adjusted < 0.05
    assert ranks['vich'].images.low < 0 < ranks['vich'].images.high
    assert math.isnan(ranks['mc'].images_adjusted)
    assert result.observer > 0
