import math

import numpy as np
import pytest

from mmfer.visualization.comparison import LEGEND, Dot, draw_dots, draw_risk_coverage, method_style, panels


def texts(figure):
    figure.draw_without_rendering()
    return {text.get_text() for axes in figure.axes for text in axes.texts}


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_dots_are_sorted_with_intervals_and_seeds():
    dots = [Dot('low', 60, 55, 65, (58, 62)), Dot('high', 80, 75, 85, (80,)), Dot('none', math.nan, math.nan, math.nan)]
    figure = draw_dots(dots, 'accuracy (%)', 0.9, 94.0, 'perfect observer')
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ['none', 'low', 'high']
    assert texts(figure) == {'undefined', '60.00', '80.00'}
    assert legend(figure) == ['perfect observer: 94.00', 'mean and 90 % interval', 'seeds']
    assert any(np.array_equal(line.get_xdata(), [75, 85]) for line in axes.lines)


def curves(number):
    coverage = np.arange(1, 21) / 20
    return {f'm{i}': [(coverage, coverage * (i + 1) / 40), (coverage, 0 * coverage)] for i in range(number)}


def test_few_risk_curves_share_a_panel():
    figure = draw_risk_coverage(curves(LEGEND))
    (axes,) = figure.axes
    assert legend(figure) == list(curves(LEGEND))
    assert axes.lines[1].get_ydata()[-1] == pytest.approx(100 * 2 / 40 / 2)  # the mean of the seeds
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == LEGEND


def test_many_risk_curves_have_panels():
    figure = draw_risk_coverage(curves(LEGEND + 1))
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in shown] == list(curves(LEGEND + 1))
    assert len(legend(figure)) == 2


def test_styles_tell_many_methods_apart():
    assert len({tuple(method_style(i).values()) for i in range(18)}) == 18


@pytest.mark.parametrize('number', [1, 2, 5, 18])
def test_spare_panels_are_hidden(number):
    figure, axes = panels(number, 2, 2, 0.4)
    assert len(axes) == number == sum(each.get_visible() for each in figure.axes)


@pytest.mark.parametrize('length', [5, 23, 50])
def test_a_legend_of_long_names_stays_within_the_figure(length):
    curves = {f'{i}'.ljust(length, 'e'): [(np.array([0.5, 1]), np.array([0.1, 0.2]))] for i in range(5)}
    figure = draw_risk_coverage(curves)
    figure.canvas.draw()
    box = figure.legends[0].get_window_extent()
    assert len(figure.legends) == 1
    assert figure.bbox.x0 <= box.x0
    assert box.x1 <= figure.bbox.x1
    assert figure.legends[0]._ncols == {5: 4, 23: 2, 50: 1}[length]
