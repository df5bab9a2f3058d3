import numpy as np
import pytest

from mmfer.visualization.comparison import draw_confusions, draw_risk_coverage
from mmfer.visualization.panels import panels


@pytest.mark.parametrize('number', [1, 2, 5, 18])
def test_spare_panels_are_hidden(number):
    figure, axes = panels(number, 2, 2, 0.4)
    assert len(axes) == number == sum(each.get_visible() for each in figure.axes)


def test_titles_have_one_size():
    """One long name made the titles of the others larger than its own."""
    matrix = np.array([[3, 1], [0, 2]])
    figure = draw_confusions({'short': matrix, 'a name of more than eighteen letters': matrix}, ['fear', 'anger'])
    assert {axes.title.get_fontsize() for axes in figure.axes if axes.get_title()} == {8}


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
