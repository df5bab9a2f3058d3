import math

import numpy as np
import pytest

from mmfer.structures.expressions import EXPRESSIONS
from mmfer.structures.results import FaceResult, ImageResult
from mmfer.visualization.contact_sheet import PALETTE, class_colors
from mmfer.visualization.face_label import chip_size, place_label
from mmfer.visualization.faces import crop, draw_faces, face_card, face_sheet
from mmfer.visualization.text import in_order

LONG = tuple(
    f'{how} {what}' for how in ('happily', 'sadly', 'disgustedly') for what in ('surprised', 'fearful', 'angry')
)


def make_face(box=(60, 60, 120, 130), label='happiness', classes=EXPRESSIONS[:7], score=0.83, latent=True, **options):
    scores = np.full(len(classes), (1 - score) / (len(classes) - 1))
    scores[classes.index(label)] = score
    uncertainty = float(-(scores * np.log(scores)).sum())
    if latent:
        options.update(score_low=0.7 * scores, score_high=np.minimum(1, 1.2 * scores))
        options.update(aleatoric=0.75 * uncertainty, epistemic=0.25 * uncertainty)
    return FaceResult(box=box, classes=tuple(classes), label=label, scores=scores, uncertainty=uncertainty, **options)


def make_result(*faces, shape=(200, 240), **options):
    return ImageResult('a.jpg', width=shape[1], height=shape[0], faces=tuple(faces), **options)


def area(img, color):
    return int((img == np.array(color, np.uint8)).all(axis=2).sum())


def test_only_the_surroundings_of_the_box_change():
    img = np.random.default_rng(0).integers(0, 256, (200, 240, 3), np.uint8)
    before = img.copy()
    drawn = draw_faces(img, make_result(make_face()))
    assert (img == before).all()
    changed = (drawn != img).any(axis=2)
    assert area(drawn, PALETTE['happiness']) > 300
    assert not changed[135:].any()
    assert not changed[:30].any()
    assert not changed[:, :55].any()
    assert not changed[65:125, 66:114].any()  # the face itself
    assert changed[58:62, 70].any()
    assert (draw_faces(img, make_result()) == img).all()


def test_abstention_is_dashed_and_without_the_color_of_the_class():
    img = np.zeros((200, 240, 3), np.uint8)
    sure, unsure = (draw_faces(img, make_result(make_face(abstain=abstain))) for abstain in (False, True))
    side = (slice(75, 120), slice(58, 63))
    assert area(sure[side], PALETTE['happiness']) >= 45
    assert area(unsure[side], PALETTE['happiness']) == 0
    lit = (unsure[side] > 100).all(axis=2).any(axis=1)
    assert lit.any()
    assert not lit.all()


def test_points_are_drawn():
    points = np.array([[75, 85], [105, 85], [90, 100], [80, 115], [100, 115]], np.float32)
    img = np.zeros((200, 240, 3), np.uint8)
    drawn = draw_faces(img, make_result(make_face(landmarks=points)))
    assert all(drawn[int(y), int(x)].tolist() == list(PALETTE['happiness']) for x, y in points)
    broken = make_face(landmarks=np.full((5, 2), math.nan))
    assert not draw_faces(img, make_result(broken))[80:120, 70:110].any()


@pytest.mark.parametrize('shape', [(1, 1), (3, 200), (20, 20), (48, 48), (400, 30)])
def test_tiny_images(shape):
    img = np.full((*shape, 3), 128, np.uint8)
    assert draw_faces(img, make_result(make_face((-5, -5, 900, 900)), shape=shape)).shape == img.shape


@pytest.mark.parametrize('box', [(-40, -30, 50, 60), (200, 150, 300, 260), (0, 0, 240, 200)])
def test_labels_stay_inside_and_clear_of_each_other(box):
    whole = tuple(int(min(max(v, 0), limit)) for v, limit in zip(box, (239, 199, 239, 199)))
    placed = []
    for _ in range(3):
        text, place, size = place_label(['anger 0.83', 'anger', 'ang'], 14, whole, [], placed, (200, 240), False)
        assert place[0] >= 0
        assert place[1] >= 0
        assert place[2] <= 240
        assert place[3] <= 200
        assert (place[2] - place[0], place[3] - place[1]) == chip_size(text, size)
        for x1, y1, x2, y2 in placed:
            assert min(x2, place[2]) <= max(x1, place[0]) or min(y2, place[3]) <= max(y1, place[1])
        placed.append(place)


def test_labels_are_shortened_where_the_image_is_narrow():
    text, place, _ = place_label(['disgustedly surprised 0.83'], 14, (0, 40, 60, 90), [], [], (100, 60), False)
    assert text.endswith('…')
    assert place[2] <= 60
    assert place_label(['anger'], 14, (0, 0, 5, 5), [], [], (6, 6), False) is None


def test_errors_name_what_is_wrong():
    img = np.zeros((200, 240, 3), np.uint8)
    with pytest.raises(ValueError, match='img_bgr has 200 x 240.*upright'):
        draw_faces(np.zeros((240, 200, 3), np.uint8), make_result(make_face()))
    with pytest.raises(ValueError, match=r'img_bgr must be a BGR image.*float64 \(4, 4\)'):
        draw_faces(np.zeros((4, 4)), make_result())
    with pytest.raises(ValueError, match='four numbers'):
        draw_faces(img, make_result(make_face((math.nan, 0, 1, 1))))
    with pytest.raises(ValueError, match='width=100'):
        face_card(img, make_face(), width=100)


@pytest.mark.parametrize('dark', [False, True])
@pytest.mark.parametrize('classes', [EXPRESSIONS[:7], EXPRESSIONS, LONG], ids=len)
@pytest.mark.parametrize('width', [240, 440])
def test_bars_of_a_card_are_as_long_as_the_probabilities(classes, dark, width):
    face = make_face(label=classes[1], classes=classes, score=0.6, latent=False)
    card = face_card(np.full((30, 50, 3), 7, np.uint8), face, width, dark)
    assert card.shape[1] == width
    below = card[round(0.3 * width) + 2 * round(width / 31) :]
    own, other = (area(below, color) for color in class_colors(classes)[1:3])
    if width == 440:
        assert own / other == pytest.approx(0.6 / face.scores[2], rel=0.25)
    page = card[-1, 0]
    assert (page < 60).all() if dark else (page == 255).all()
    assert (card[:, : width // 60] == page).all()  # nothing touches the edges
    assert (card[:, -(width // 60) :] == page).all()


def test_a_card_has_whiskers_and_parts_of_the_uncertainty_where_they_are_known():
    img = np.full((30, 50, 3), 7, np.uint8)
    plain, full = (face_card(img, make_face(score=0.5, latent=latent)) for latent in (False, True))
    assert full.shape[0] > plain.shape[0]
    named = face_card(img, make_face(score=0.5), level=0.9)
    assert (named != full).any()
    assert (face_card(img, make_face(abstain=True, score=0.5)) != full).any()
    sets = [face_card(img, make_face(score=0.5, label_set=make_face().classes[:k])) for k in (1, 2)]
    assert sets[0].shape == sets[1].shape
    assert len(sets[0]) > len(plain)
    assert (sets[0] != sets[1]).any()
    votes = [face_card(img, make_face(score=0.5, people=people), level=0.9) for people in (None, 10)]
    assert votes[0].shape == votes[1].shape
    assert (votes[0] != votes[1]).any()
    sure = FaceResult((0, 0, 1, 1), ('a', 'b'), 'a', np.array([1.0, 0.0]), 0.0)
    assert face_card(img[:1, :1], sure).shape[1] == 440


def test_a_sheet_has_a_card_a_face():
    img = np.full((200, 240, 3), 90, np.uint8)
    faces = [make_face((10 + 40 * i, 60, 40 + 40 * i, 100), score=0.6) for i in range(5)]
    sheets = [face_sheet(img, make_result(*faces[:n]), width=300) for n in (1, 2, 3, 5)]
    gap = 10
    assert [sheet.shape[1] for sheet in sheets] == [300 * c + gap * (c + 1) for c in (1, 2, 3, 3)]
    assert sheets[3].shape[0] > sheets[2].shape[0] + 200
    empty = face_sheet(img, make_result(), dark=True)
    assert empty.max() > 200  # says that there is none
    failed = ImageResult('a.jpg', error='a.jpg: not a face')  # whose size is 0 x 0
    assert face_sheet(np.tile(img, (9, 9, 1)), failed).shape[1] == 440 + 2 * 14


def test_a_large_picture_is_shrunk_before_it_is_drawn_on():
    img = np.zeros((1200, 1600, 3), np.uint8)
    face = make_face((400, 400, 800, 900), landmarks=np.full((5, 2), 600.0))
    sheet = face_sheet(img, make_result(face, shape=img.shape), width=440)
    assert sheet.shape[1] == 440 + 2 * 14
    assert area(sheet[:330], PALETTE['happiness']) > 500


def test_crop_shows_what_the_picture_has_of_the_face():
    img = np.arange(300, dtype=np.uint8).repeat(3)[:300].reshape(10, 10, 3)
    assert (crop(img, (2, 2, 6, 6)) == img[2:6, 2:6]).all()
    assert crop(img, (2, 4, 6, 6)).shape == (4, 4, 3)
    assert (crop(img, (-4, -4, 4, 4), 0.25) == img[:6, :6]).all()
    assert crop(img, (0, 0, 10, 10), 0.15).shape == (10, 10, 3)
    assert crop(img, (50, 50, 60, 60)) is img
    assert crop(img, (0, 0, math.nan, 4)) is img


def test_long_names_take_the_line_and_the_probability_the_next_one():
    img, classes = np.full((30, 30, 3), 7, np.uint8), ('anger', LONG[6])
    cards = {name: face_card(img, make_face(label=name, classes=classes, score=0.8, abstain=True)) for name in classes}
    color = (238, 238, 238)  # of the plate
    chips = {name: np.nonzero((card[14:34] == color).all(axis=2).any(axis=0))[0] for name, card in cards.items()}
    assert chips['anger'].max() < 380
    assert 380 < chips[LONG[6]].max() < 440 - 13


def test_numbers_of_labels_are_whole_or_left_out():
    text, _, _ = place_label(['fear 0.21', 'fear', 'fea 0.21'], 9, (0, 0, 47, 63), [], [], (64, 48), False)
    assert text == 'fear'


def test_words_from_right_to_left_stay_between_the_others():
    face = make_face(label='שמחה', classes=('שמחה', 'anger'), score=0.8, latent=False, abstain=True)
    img = np.zeros((200, 240, 3), np.uint8)
    assert (draw_faces(img, make_result(face)) != img).any()
    assert in_order('unsure:', 'שמחה', '0.80') == 'unsure: שמחה\u200e 0.80'
    assert in_order('', 'anger') == 'anger'
