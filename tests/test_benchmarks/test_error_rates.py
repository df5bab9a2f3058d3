"""The short form of benchmarks/error_rates.py: what a report claims of simulated runs, and how often that is false."""

import error_rates as bench
import pytest


def test_equal_models_and_methods_are_rarely_told_apart():
    """At most 5 % of 200 comparisons, and 10 where that is the truth for the limit of 95 % of simulations."""
    models = bench.simulate(bench.Cell(300, 1, 0.0, 0.8, 0.85, False, 2), 200)['claimed']
    assert max(models[f'{name} images'] for name in bench.FIGURES) <= 10
    methods = bench.simulate(bench.Cell(300, 3, 1.5, 0.8, 0.85, True, 2), 200)['claimed']
    assert max(methods[f'{name} methods'] for name in bench.FIGURES) <= 8.5


def test_eight_methods_are_told_apart_as_a_family():
    claimed = bench.simulate(bench.Cell(100, 3, 1.0, 0.0, 0.85, False, 8), 40)['claimed']
    assert claimed['accuracy methods'] <= 12.5


@pytest.mark.parametrize('accuracy', [0.85, 0.97])
def test_intervals_hold_the_truth(accuracy):
    found = bench.simulate(bench.Cell(300, 1, 0.0, 0.0, accuracy, True, 1), 300)
    assert all(share >= 91 for share in found['held'].values()), found['held']


def test_calibrated_models_are_not_told_apart_by_their_confidence():
    for seeds in (1, 3):
        found = bench.calibrated_pairs(300, seeds, 200)['claimed']
        assert max(share for told in found.values() for share in told.values()) <= 8.5


def test_power_is_as_planned():
    found = bench.simulate(bench.Cell(300, 3, 0.5, 0.8, 0.85, False, 2, gain=4.0), 150)
    assert found['claimed']['accuracy methods'] == pytest.approx(found['planned']['methods'], abs=12)
    assert found['claimed']['accuracy images'] == pytest.approx(found['planned']['images'], abs=12)


def test_tables_of_results():
    cells = [bench.simulate(bench.Cell(100, s, 0.0, 0.0, 0.85, False, 2, gain), 20) for s, gain in ((1, 0.0), (2, 5.0))]
    text = bench.tables(dict(calibrated=[bench.calibrated_pairs(100, 1, 20)], cells=cells))
    assert '| 100 | 5 | 0.0 | 2 |' in text
    assert 'U(0.7, 1), U(0.4, 1)' in text
