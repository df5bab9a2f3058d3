import cv2
import numpy as np
import pytest

from mmfer.datasets.synth import (
    ACTION_UNITS,
    EMFACS,
    action_units,
    face_shape,
    render_face,
    sample_appearance,
)
from mmfer.datasets.synth.annotators import label_distribution, majority
from mmfer.datasets.synth.appearance import OCCLUSIONS, STYLES
from mmfer.datasets.synth.sheet import choose_faces, face_sheet


def person(seed=3, **changes):
    face = sample_appearance(np.random.default_rng(seed))
    face.unit_gain, face.unit_rest = [1.0] * len(ACTION_UNITS), [0.0] * len(ACTION_UNITS)
    for name, value in changes.items():
        assert hasattr(face, name)
        setattr(face, name, value)
    return face


def shape_of(face, **intensities):
    return face_shape(action_units(intensities, face.side), face)


@pytest.mark.parametrize('name', list(EMFACS))
def test_expressions_use_exactly_their_action_units(name):
    units = action_units({name: 1.0})
    active = {unit for unit, (left, right) in units.items() if left or right}
    assert active == set(EMFACS[name])
    one_sided = {unit for unit in active if units[unit][0] != units[unit][1]}
    assert one_sided == (active if name == 'contempt' else set())


def test_action_units_blend_and_saturate():
    units = action_units({'sadness': 0.7, 'anger': 0.6})
    assert units[4] == (1.0, 1.0)
    assert units[15] == (0.7, 0.7)
    assert action_units({}, rest=[0.1] * len(ACTION_UNITS))[1] == (0.1, 0.1)
    with pytest.raises(ValueError, match='boredom'):
        action_units({'boredom': 1.0})
    with pytest.raises(ValueError, match='side'):
        action_units({}, side=2)


def test_action_units_move_the_geometry():
    face = person(toothy=0.8)
    names = ('neutral', 'happiness', 'sadness', 'surprise', 'fear', 'disgust', 'anger')
    shapes = {name: shape_of(face, **{name: 1.0}) for name in names}
    rest = shapes['neutral']
    # y points down
    assert shapes['happiness'].corner_y[0] < rest.corner_y[0] < shapes['sadness'].corner_y[0]
    assert shapes['happiness'].lid_lower[0] < rest.lid_lower[0]
    assert shapes['sadness'].brow_inner_y[0] < shapes['sadness'].brow_outer_y[0]
    assert shapes['anger'].brow_inner_y[0] > rest.brow_inner_y[0]
    assert shapes['anger'].brow_inner_x[0] < rest.brow_inner_x[0]
    assert shapes['anger'].lip_upper < rest.lip_upper
    assert shapes['surprise'].brow_middle_y[0] < rest.brow_middle_y[0]
    assert shapes['surprise'].mouth_half[0] < rest.mouth_half[0] < shapes['fear'].mouth_half[0]
    assert shapes['surprise'].open_lower > shapes['fear'].open_lower > rest.open_lower
    assert min(shapes['fear'].lid_upper[0], shapes['surprise'].lid_upper[0]) > rest.lid_upper[0]
    assert shapes['disgust'].nose_wrinkle == 1.0
    assert shapes['disgust'].mouth_lift > rest.mouth_lift


@pytest.mark.parametrize('side', [0, 1])
def test_contempt_lifts_one_corner(side):
    shape = shape_of(person(side=side), contempt=1.0)
    assert shape.corner_y[side] < -0.1
    assert abs(shape.corner_y[1 - side]) < 1e-9


def test_render_is_a_pure_function_and_shows_the_expression():
    face = person(occlusion='none')
    calm, happy = (render_face(face, {name: 1.0}, 64) for name in ('neutral', 'happiness'))
    assert calm.shape == (64, 64, 3)
    assert calm.dtype == np.uint8
    assert np.array_equal(calm, render_face(face, {'neutral': 1.0}, 64))
    changed = np.abs(calm.astype(int) - happy).max(axis=2) > 25
    assert changed[38:56].any()  # mouth
    assert changed[:6].sum() < 5  # nothing above the head
    with pytest.raises(ValueError, match='size'):
        render_face(face, {}, 15)


@pytest.mark.parametrize('seed', range(6))
def test_the_same_face_at_every_size(seed):
    face = person(seed, noise=0.0)
    large, small = (render_face(face, {'fear': 0.9}, size) for size in (224, 64))
    reduced = cv2.resize(large, (64, 64), interpolation=cv2.INTER_AREA)
    difference = np.abs(reduced.astype(int) - small)
    assert difference.mean() < 3.0
    assert np.percentile(difference, 99) < 40


@pytest.mark.parametrize('style', STYLES)
def test_all_hair_styles_and_accessories_draw(style):
    face = person(style=style, glasses='round', beard='full', freckles=True, earrings=True, age=1.0)
    plain = render_face(person(style='bald'), {'anger': 1.0}, 48)
    assert not np.array_equal(render_face(face, {'anger': 1.0}, 48), plain)


@pytest.mark.parametrize('kind', OCCLUSIONS[1:])
def test_occlusions_hide_something(kind):
    place = (0.1, 0.1, 0.5, 0.2)
    free, hidden = (
        render_face(person(occlusion=k, occlusion_place=place, occlusion_color=(0, 255, 0)), {}, 48)
        for k in ('none', kind)
    )
    share = (np.abs(free.astype(int) - hidden).max(axis=2) > 20).mean()
    assert 0.01 < share < 0.5


def test_label_distribution_and_majority():
    x = np.array([0.2, 0.9, 0.0], np.float32)
    expected = np.exp(x.astype(float) / 0.3)
    assert np.allclose(label_distribution(x, 0.3), expected / expected.sum())
    assert np.allclose(label_distribution(x, 1e-6), [0, 1, 0])
    assert majority(np.array([1, 6, 3]), np.array([0.1, 0.1, 0.8])) == 1
    assert majority(np.array([5, 5, 0]), np.array([0.4, 0.4, 0.2])) == 0


def test_face_sheet():
    intensities = np.array([[1, 0, 0], [0, 0.8, 0], [0, 1, 0], [0, 0.6, 0.5], [0, 0.6, 0], [0, 0.9, 0]], float)
    rows = choose_faces([0, 1, 1, 1, 1, 1], intensities, 3, columns=3, blends=1)
    assert rows == [[0], [2, 4, 3], []]
    faces = [[np.full((32, 32, 3), 40 * i, np.uint8) for i in row] for row in rows]
    sheet = face_sheet(faces, [[intensities[i] for i in row] for row in rows], ('a', 'b', 'c'), blends=1)
    assert sheet.dtype == np.uint8
    assert (sheet == 255).mean() > 0.3
    with pytest.raises(ValueError, match='they have none'):
        face_sheet([[], []], [[], []], ('a', 'b'), blends=0)
