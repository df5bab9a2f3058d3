"""The short form of benchmarks/error_rates.py: what a report claims of simulated runs, and how often that is false."""

import itertools

import error_rates as bench
import error_tables
import numpy as np
import pytest


def shares(setting, repetitions, seeds=1, methods=2):
    (cell,) = bench.simulate(setting, repetitions, seeds=(seeds,), methods=(methods,))
    return cell['shares']


def test_equal_models_and_methods_are_rarely_told_apart():
    """At most 5 % of 200 comparisons, and 10 where that is the truth for the limit of 95 % of simulations."""
    models = shares(bench.Setting(300, 0.0, 0.8, 0.85, False), 200)
    assert max(models[f'{name} images'] for name in bench.FIGURES) <= 10
    methods = shares(bench.Setting(300, 1.5, 0.8, 0.85, True), 200, seeds=3)
    assert max(methods[f'{name} methods'] for name in bench.FIGURES) <= 8.5


def test_eight_methods_are_told_apart_as_a_family():
    claimed = shares(bench.Setting(100, 1.0, 0.0, 0.85, False), 40, seeds=3, methods=8)
    assert claimed['accuracy methods'] <= 12.5


@pytest.mark.parametrize('accuracy', [0.85, 0.97])
def test_intervals_hold_the_truth(accuracy):
    found = shares(bench.Setting(300, 0.0, 0.0, accuracy, True), 300, methods=1)
    assert all(found[f'{name} held'] >= 91 for name in bench.FIGURES), found


def test_calibrated_models_are_not_told_apart_by_their_confidence():
    for seeds in (1, 3):
        found = bench.calibrated_pairs(300, seeds, 200)['claimed']
        assert max(share for told in found.values() for share in told.values()) <= 8.5


def test_power_is_as_planned():
    (cell,) = bench.simulate(bench.Setting(300, 0.5, 0.8, 0.85, False, gain=4.0), 150, seeds=(3,), methods=(2,))
    for kind in ('images', 'methods'):
        assert cell['shares'][f'accuracy {kind}'] == pytest.approx(cell['planned'][kind], abs=12)


def test_methods_keep_their_level_however_much_seeds_deviate():
    for row in bench.by_spread(600):
        assert row['shares'][0] <= 7.5, row  # 2.5 above 5: 2.8 standard errors of the simulation
        assert row['shares'][1] <= 0.7, row


def test_fewer_seeds_and_methods_are_a_part_of_the_same_drawing():
    """Every cell of one drawing has the distribution that it would have by itself."""
    setting = bench.Setting(100, 0.0, 0.8, 0.85, False)
    cells = bench.simulate(setting, 40, seeds=(1, 2), methods=(2, 4))
    assert [(cell['seeds'], cell['methods']) for cell in cells] == [(1, 2), (1, 4), (2, 2), (2, 4)]
    alone = shares(setting, 40, seeds=1, methods=2)
    assert cells[0]['shares']['accuracy held'] == pytest.approx(alone['accuracy held'], abs=12)
    assert error_tables.drawings(cells) == 40
    for cell in cells:
        assert all(low <= cell['shares'][name] <= high for name, (low, high) in cell['between'].items())


def test_the_first_settings_have_every_two_levels_together():
    settings, levels = bench.evenly(), list(bench.LEVELS.values())
    assert len(set(settings)) == np.prod([len(each) for each in levels])
    points = [bench.astuple(setting)[: len(levels)] for setting in settings[:19]]
    for i, j in itertools.combinations(range(len(levels)), 2):
        assert {(point[i], point[j]) for point in points} == set(itertools.product(levels[i], levels[j]))


def test_tables_of_results():
    settings = bench.Setting(100, 0.0, 0.0, 0.85, False), bench.Setting(100, 0.0, 0.0, 0.85, False, 5.0)
    cells = [cell for each in settings for cell in bench.simulate(each, 20, seeds=(1, 3), methods=(2,))]
    own = dict(calibrated=[bench.calibrated_pairs(100, 1, 20)], by_spread=bench.by_spread(100))
    text = error_tables.tables(dict(own, cells=cells))
    assert 'images: 2 of 288 cells, 27 of 121 pairs' in text
    assert 'methods: 1 of 768 cells, ' in text
    assert 'The largest of 8 shares of false claims is' in text
    assert '| 100 | 5 | 0.0 | 20 |' in text
    assert 'U(0.7, 1), U(0.4, 1)' in text
