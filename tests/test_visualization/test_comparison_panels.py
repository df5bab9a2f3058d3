import numpy as np
import pytest

from mmfer.evaluation.functional import calibration_bins
from mmfer.visualization.comparison_panels import FEW, draw_confusions, draw_reliability, draw_uncertainties


def inside(figure):
    """Whether legends and titles lie within the picture and no legend covers a panel."""
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    boxes = [legend.get_window_extent() for legend in figure.legends]
    titles = [axes.title.get_window_extent() for axes in figure.axes if axes.get_visible() and axes.get_title()]
    fits = all(b.x0 >= 0 and b.x1 <= width and b.y0 >= 0 and b.y1 <= height for b in [*boxes, *titles])
    panels = [axes.get_window_extent() for axes in figure.axes if axes.get_visible()]
    return fits and not any(box.overlaps(panel) for box in boxes for panel in panels)


def titles(figure):
    return [axes.get_title() for axes in figure.axes if axes.get_visible() and axes.get_title()]


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


def test_titles_have_one_size():
    """One long name made the titles of the others larger than its own."""
    matrix = np.array([[3, 1], [0, 2]])
    figure = draw_confusions({'short': matrix, 'a name of more than eighteen letters': matrix}, ['fear', 'anger'])
    assert {axes.title.get_fontsize() for axes in figure.axes if axes.get_title()} == {8}


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
