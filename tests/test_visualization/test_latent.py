import numpy as np
import pytest
from matplotlib.patches import Ellipse

from mmfer.structures.expressions import EXPRESSIONS
from mmfer.visualization.latent import MOST, LatentFace, draw_latent

CLASSES = EXPRESSIONS[:7]
LONG = tuple(f'disgustedly {name}' for name in ('surprised', 'fearful', 'angry'))


def make_face(number=1, classes=CLASSES, truth=True):
    k = len(classes)
    score = np.full(k, 1 / k)
    bounds = (0.5 * score, 1.5 * score)
    mean, std = np.arange(k) / 2 + number, np.arange(1, k + 1) / 10
    return LatentFace(
        np.zeros((20, 30, 3), np.uint8), f'face\n{number}', mean, std, score, *bounds, score if truth else None
    )


def test_ellipses_are_the_gaussians():
    faces = [make_face(i) for i in range(4)]
    figure = draw_latent(faces, CLASSES, ('fear', 'happiness'), 'a $ title')
    plane = figure.subfigs[0].axes[0]
    assert plane.get_xlabel() == 'latent fear'
    ellipses = [patch for patch in plane.patches if isinstance(patch, Ellipse)]
    assert len(ellipses) == 4
    for face, ellipse in zip(faces, ellipses):
        assert tuple(ellipse.center) == (face.mean[4], face.mean[1])
        assert (ellipse.width, ellipse.height) == pytest.approx((2 * face.std[4], 2 * face.std[1]))
        assert plane.get_xlim()[0] < ellipse.center[0] - ellipse.width / 2
        assert plane.get_ylim()[1] > ellipse.center[1] + ellipse.height / 2
    assert len(figure.subfigs[1].axes) == 12
    legend = [text.get_text() for text in figure.subfigs[0].axes[1].get_legend().get_texts()]
    assert legend == ['fear', 'happiness', 'all others', 'predicted', 'true', '90 % interval']
    figure.canvas.draw()


@pytest.mark.parametrize('number', [1, MOST])
def test_faces_without_truth(number):
    faces = [make_face(i, LONG, truth=False) for i in range(number)]
    figure = draw_latent(faces, LONG, LONG[:2], is_path=False)
    legend = [text.get_text() for text in figure.subfigs[0].axes[1].get_legend().get_texts()]
    assert legend == [*LONG[:2], 'all others', 'predicted', '90 % interval']
    figure.canvas.draw()


def test_errors():
    with pytest.raises(ValueError, match='0 faces'):
        draw_latent([], CLASSES, ('fear', 'anger'))
    with pytest.raises(ValueError, match="pair=.*'awe'"):
        draw_latent([make_face()], CLASSES, ('fear', 'awe'))
    with pytest.raises(ValueError, match='two different'):
        draw_latent([make_face()], CLASSES, ('fear', 'fear'))


def test_two_classes_of_one_colour_are_told_apart():
    classes = tuple(f'class {i}' for i in range(10))
    figure = draw_latent([make_face(i, classes) for i in range(3)], classes, ('class 0', 'class 8'))
    legend = figure.subfigs[0].axes[1].get_legend()
    first, second = (line.get_color() for line in legend.get_lines()[:2])
    assert first != second
