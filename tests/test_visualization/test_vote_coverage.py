import numpy as np
import pytest

from mmfer.evaluation.functional import coverage_curve, pit_histogram
from mmfer.visualization.vote_coverage import LEVELS, draw_vote_coverage


def make_bounds(size=60, seed=0):
    lower = np.random.default_rng(seed).uniform(0, 0.8, (size, 3))
    return lower, lower + 0.2, lower < 0.7


@pytest.mark.parametrize('count', [1, 3])
def test_what_is_drawn(count):
    predictions = {f'head {i}': make_bounds(seed=i) for i in range(count)}
    figure = draw_vote_coverage(predictions, 5)
    curves, *histograms = figure.axes
    assert len(histograms) == count
    for axes, line, (name, bounds) in zip(histograms, curves.lines[1:], predictions.items()):
        histogram = pit_histogram(*bounds, 5)
        assert [bar.get_height() for bar in axes.patches] == pytest.approx(histogram.density)
        assert axes.get_title().startswith(f'{name} (p ')
        assert axes.get_ylim()[1] > max(histogram.density.max(), (1 + histogram.band).max())
        assert line.get_label() == name
        assert line.get_ydata() == pytest.approx(100 * coverage_curve(*bounds, LEVELS)[0])
    figure.canvas.draw()


def test_a_single_face_has_no_band():
    figure = draw_vote_coverage({'few': make_bounds(1)})
    assert figure.axes[1].get_title() == 'few'
    figure.canvas.draw()


def test_nothing_to_draw():
    with pytest.raises(ValueError, match='there are no predictions to draw'):
        draw_vote_coverage({})
