import math

import numpy as np
import pytest

from mmfer.evaluation.functional import calibration_bins
from mmfer.visualization.comparison import (
    FEW,
    LEGEND,
    Dot,
    draw_conditions,
    draw_confusions,
    draw_dots,
    draw_reliability,
    draw_risk_coverage,
    draw_uncertainties,
)


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def titles(figure):
    return [axes.get_title() for axes in figure.axes if axes.get_visible() and axes.get_title()]


def inside(figure):
    """Whether legends and titles lie within the picture and no legend covers a panel."""
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    boxes = [legend.get_window_extent() for legend in figure.legends]
    names = [axes.title.get_window_extent() for axes in figure.axes if axes.get_visible() and axes.get_title()]
    fits = all(b.x0 >= 0 and b.x1 <= width and b.y0 >= 0 and b.y1 <= height for b in [*boxes, *names])
    panels = [axes.get_window_extent() for axes in figure.axes if axes.get_visible()]
    return fits and not any(box.overlaps(panel) for box in boxes for panel in panels)


def test_dots_are_sorted_with_intervals_and_seeds():
    dots = [Dot('low', 60, 55, 65, (58, 62)), Dot('high', 80, 75, 85, (80,)), Dot('none', math.nan, math.nan, math.nan)]
    figure = draw_dots(dots, 'accuracy (%)', 0.9, 94.0, 'Bayes-optimal accuracy')
    (axes,) = figure.axes
    figure.draw_without_rendering()
    assert [label.get_text() for label in axes.get_yticklabels()] == ['none', 'low', 'high']
    assert {text.get_text() for text in axes.texts} == {'undefined', '60.00', '80.00'}
    assert legend(figure) == ['Bayes-optimal accuracy: 94.00', 'mean and 90 % interval', 'seeds']
    assert any(np.array_equal(line.get_xdata(), [75, 85]) for line in axes.lines)


def curves(number):
    coverage = np.arange(1, 21) / 20
    return {f'm{i}': [(coverage, coverage * (i + 1) / 40), (coverage, 0 * coverage)] for i in range(number)}


def test_few_risk_curves_share_a_panel_and_many_have_panels():
    figure = draw_risk_coverage(curves(LEGEND))
    (axes,) = figure.axes
    assert legend(figure) == list(curves(LEGEND))
    assert axes.lines[1].get_ydata()[-1] == pytest.approx(100 * 2 / 40 / 2)  # the mean of the seeds
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == LEGEND
    figure = draw_risk_coverage(curves(LEGEND + 1))
    assert titles(figure) == list(curves(LEGEND + 1))
    assert len(legend(figure)) == 2


@pytest.mark.parametrize('number', [1, 2, 3, 8])
def test_reliability(number):
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1, 500)
    bins = {f'head {i}': calibration_bins(confidence, rng.random(500) < confidence, 15) for i in range(number)}
    figure = draw_reliability(bins, dict.fromkeys(bins, 1.234))
    assert titles(figure) == list(bins)
    assert inside(figure)
    upper = figure.axes[0]
    assert upper.texts[0].get_text() == 'ECE 1.2 %'
    used = bins['head 0'].count > 0
    assert [patch.get_height() for patch in upper.patches] == pytest.approx(100 * bins['head 0'].accuracy[used])


def test_bins_of_few_answers_are_faint():
    confidence = np.array([0.1] * (FEW - 1) + [0.9] * FEW)
    bins = calibration_bins(confidence, confidence > 0.5, 2)
    figure = draw_reliability(dict(a=bins), dict(a=float('nan')))
    assert [patch.get_facecolor()[3] for patch in figure.axes[0].patches] == [0.35, 1]
    assert figure.axes[0].texts[0].get_text() == 'undefined'


@pytest.mark.parametrize('number', [1, 2, 13])
def test_confusions(number):
    matrices = {f'head {i}': np.array([[3, 1, 0], [0, 0, 0], [19, 0, 1]]) for i in range(number)}
    figure = draw_confusions(matrices, ['neutral', 'happiness', 'sadness'])
    assert titles(figure) == list(matrices)
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert shown == (['75', '25', '95', '5'] if number < 13 else ['75', '25', '95'])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ['neu', 'hap', 'sad']


@pytest.mark.parametrize('number', [1, 2, 18])
def test_uncertainties(number):
    rng = np.random.default_rng(0)
    answers = {f'head {i}': (rng.uniform(0, 1, 50), rng.uniform(0, 2.5, 20)) for i in range(number)}
    figure = draw_uncertainties(answers, 7)
    assert titles(figure) == list(answers)
    assert inside(figure)
    assert figure.axes[0].get_xlim()[1] == pytest.approx(max(wrong.max() for _, wrong in answers.values()))


def test_no_wrong_answers():
    figure = draw_uncertainties(dict(a=(np.full(5, 0.5), np.zeros(0)), b=(np.zeros(0), np.ones(5))), 7)
    assert [axes.texts[0].get_text() for axes in figure.axes] == ['no wrong answers', 'no right answers']


# ---- conditions ------------------------------------------------------------------------------------------------------
NAN = (math.nan, math.nan, math.nan)
FIGURES = {
    'accuracy (%)': {'vich': [(80, 78, 82), (70, 68, 72), (50, 47, 53)], 'linear': [(81, 79, 83), NAN, (40, 36, 43)]},
    'ECE (%)': {'vich': [(3, math.nan, math.nan)] * 3, 'linear': [(4, math.nan, math.nan)] * 3},
    'uncertainty (nats)': {'vich': [(0.5, 0.4, 0.6)] * 3},
}


def draw(shares, conditions=('clean', 'block 10 %', 'block 30 %')):
    figure = draw_conditions(FIGURES, conditions, shares, 'covered (%)')
    figure.draw_without_rendering()
    return figure, [axes for axes in figure.axes if axes.get_visible()]


def test_measured_conditions_have_lines_at_their_shares():
    figure, axes = draw([0.0, 0.1, 0.3])
    assert titles(figure) == list(FIGURES)
    assert [label.get_text() for label in axes[2].get_xticklabels()] == ['0', '10', '30']
    assert axes[2].get_xlabel() == 'covered (%)'
    lines = [line for line in axes[0].lines if len(line.get_xdata()) == 3]
    assert [line.get_linestyle() for line in lines] == ['-', '-']
    np.testing.assert_allclose(lines[0].get_xdata(), [0, 10, 30], atol=1)
    assert lines[0].get_xdata()[0] < lines[1].get_xdata()[0]  # beside each other
    bars = [line for line in axes[0].lines if len(line.get_xdata()) == 2]
    assert [tuple(bar.get_ydata()) for bar in bars] == [(78, 82), (68, 72), (47, 53), (79, 83), (36, 43)]
    assert all(len(line.get_xdata()) == 3 for line in axes[1].lines)  # no intervals
    assert legend(figure) == ['vich', 'linear']
    first, last = ({line.get_label(): line.get_color() for line in axes[i].lines} for i in (0, 2))
    assert first['vich'] == last['vich']


@pytest.mark.parametrize('conditions', [('clean', 'eyes', 'mouth'), ('clean', 'a part of the face', 'mouth')])
def test_conditions_without_an_order_have_dots(conditions):
    _, axes = draw([0.0, None, None], conditions)
    assert [label.get_text() for label in axes[-1].get_xticklabels()] == list(conditions)
    lines = [line for line in axes[0].lines if len(line.get_xdata()) == 3]
    assert {line.get_linestyle() for line in lines} == {'None'}
    assert axes[-1].get_xlabel() == ''
