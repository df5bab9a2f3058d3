import math

import numpy as np
import pytest

from mmfer.visualization.robustness import draw_robustness

NAN = (math.nan, math.nan, math.nan)
FIGURES = {
    'Accuracy (%)': {'vich': [(80, 78, 82), (70, 68, 72), (50, 47, 53)], 'linear': [(81, 79, 83), NAN, (40, 36, 43)]},
    'ECE (%)': {'vich': [(3, math.nan, math.nan)] * 3, 'linear': [(4, math.nan, math.nan)] * 3},
    'Uncertainty (nats)': {'vich': [(0.5, 0.4, 0.6)] * 3},
}


def draw(shares, conditions=('clean', 'block 10 %', 'block 30 %')):
    figure = draw_robustness(FIGURES, conditions, shares, 'covered (%)')
    figure.draw_without_rendering()
    return figure, [axes for axes in figure.axes if axes.get_visible()]


def test_measured_conditions_have_lines_at_their_shares():
    figure, axes = draw([0.0, 0.1, 0.3])
    assert [each.get_title() for each in axes] == list(FIGURES)
    assert [label.get_text() for label in axes[2].get_xticklabels()] == ['0', '10', '30']
    assert axes[2].get_xlabel() == 'covered (%)'
    lines = [line for line in axes[0].lines if len(line.get_xdata()) == 3]
    assert [line.get_linestyle() for line in lines] == ['-', '-']
    np.testing.assert_allclose(lines[0].get_xdata(), [0, 10, 30], atol=1)
    assert lines[0].get_xdata()[0] < lines[1].get_xdata()[0]  # beside each other
    bars = [line for line in axes[0].lines if len(line.get_xdata()) == 2]
    assert [tuple(bar.get_ydata()) for bar in bars] == [(78, 82), (68, 72), (47, 53), (79, 83), (36, 43)]
    assert all(len(line.get_xdata()) == 3 for line in axes[1].lines)  # no intervals
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ['vich', 'linear']


@pytest.mark.parametrize('conditions', [('clean', 'eyes', 'mouth'), ('clean', 'a part of the face', 'mouth')])
def test_conditions_without_an_order_have_dots(conditions):
    _, axes = draw([0.0, None, None], conditions)
    assert [label.get_text() for label in axes[-1].get_xticklabels()] == list(conditions)
    lines = [line for line in axes[0].lines if len(line.get_xdata()) == 3]
    assert {line.get_linestyle() for line in lines} == {'None'}
    assert axes[-1].get_xlabel() == ''


def test_methods_keep_their_colour_in_every_panel():
    _, axes = draw([0.0, 0.1, 0.3])
    colors = [
        {line.get_label(): line.get_color() for line in each.lines if line.get_label()[0] != '_'} for each in axes
    ]
    assert colors[0]['vich'] == colors[2]['vich']
    assert colors[0] == colors[1]
