from collections import Counter

import numpy as np
import pytest

from mmfer.faces.boxes import box_iou
from mmfer.faces.following import PACES, FaceFollower
from mmfer.faces.yunet import YuNet
from mmfer.inference.inferencer import ExpressionInferencer
from mmfer.structures.results import Face

POINTS = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)], np.float32)


class World(YuNet):
    """A detector that knows where the faces of each frame are: boxes by name, of which the later ones are nearer."""

    def __init__(self):
        self.rotations, self.shown, self.asked = (0,), [], Counter()

    def visible(self, img, least=0.0):
        boxes = list(next(faces for shown, faces in reversed(self.shown) if shown is img).values())
        kept = []
        for i, box in enumerate(boxes):
            if box[2] - box[0] >= least and not any(box_iou([box], [other])[0, 0] > 0.4 for other in boxes[i + 1 :]):
                corner, size = np.array(box[:2]), np.array(box[2:]) - box[:2]
                kept.append(Face(tuple(map(float, box)), 0.9, (corner + size * POINTS).astype(np.float32)))
        return kept

    def __call__(self, img):
        self.asked['search'] += 1
        return self.visible(img)

    def glance(self, img):
        self.asked['glance'] += 1
        return self.visible(img, least=30)

    def look(self, img, box):
        self.asked['look'] += 1
        return [face for face in self.visible(img) if box_iou([face.box], [box])[0, 0] > 0.05]


def at(x, y=50, size=40):
    return (x, y, x + size, y + size)


@pytest.fixture
def world():
    return World()


def play(world, frames, speed='balanced', rate=30, name='v', start=0, is_live=True):
    """The numbers of the people in each frame, from left to right; unless it is live, as they are in the end."""
    follower = FaceFollower(world, speed) if isinstance(speed, str) else speed
    found = []
    for i, faces in enumerate(frames, start):
        image = np.zeros((200, 400, 3), np.uint8)
        world.shown.append((image, faces))
        found.append(follower(image, name, i / rate, is_live))
    return [[face.person for face in sorted(faces, key=lambda face: face.box)] for faces in found]


def test_the_whole_picture_is_searched_now_and_then(world):
    assert play(world, [dict(a=at(100))] * 60) == [[0]] * 60
    pace = PACES['balanced']
    assert world.asked['look'] == 59
    assert world.asked['search'] == pytest.approx(2 / pace.search, abs=1)
    assert world.asked['glance'] == pytest.approx(2 / pace.glance - 2 / pace.search, abs=2)


def test_new_faces_are_found_large_ones_first(world):
    frames = [dict(a=at(100))] * 3 + [dict(a=at(100), b=at(200), c=at(300, size=20))] * 100
    numbers = play(world, frames)
    large, small = (next(i for i, seen in enumerate(numbers) if number in seen) for number in (1, 2))
    assert 3 <= large <= 3 + 30 * PACES['balanced'].glance
    assert large < small <= 3 + 30 * PACES['balanced'].search


def test_people_who_cross_keep_their_numbers(world):
    """One walks behind the other, is hidden meanwhile, and is expected where the motion leads."""
    frames = [dict(back=at(50 + 5 * i), front=at(250 - 5 * i, 55)) for i in range(40)]
    numbers = play(world, frames)
    assert numbers[0] == [0, 1]
    assert [0] in numbers or [1] in numbers
    assert numbers[-1] == [1, 0]
    assert {number for seen in numbers for number in seen} == {0, 1}


@pytest.mark.parametrize(('hidden', 'number'), [(8, 0), (30, 1)])
def test_a_hidden_face_is_awaited_for_a_while(hidden, number, world):
    shown = [dict(a=at(100))] * 10
    assert play(world, shown + [{}] * hidden + shown)[-1] == [number]


@pytest.mark.parametrize('speed', PACES)
def test_who_is_found_late_is_added_to_the_frames_before(speed, world):
    """Back to where they came in, but not to frames that are gone, nor where the answer is wanted at once."""
    entry = [dict(a=at(100))] * 14 + [dict(a=at(100), b=at(200 + 2 * i)) for i in range(40)]
    late = next(i for i, seen in enumerate(play(world, entry, speed)) if len(seen) == 2)
    assert late > 14
    assert play(world, entry, speed, is_live=False) == [[0]] * 14 + [[0, 1]] * 40
    small = [dict(a=at(100))] * 2 + [dict(a=at(100), b=at(200, size=20))] * 200  # which only a complete search shows
    live, added = (play(world, small, speed, is_live=is_live).index([0, 1]) for is_live in (True, False))
    assert live - added == pytest.approx(15, abs=1)


def test_who_was_lost_for_a_moment_is_added_where_a_look_shows_them(world):
    """Two frames in which the detector misses a face when it is expected there, but not afterwards."""
    frames = [dict(a=at(100)), *[dict(a=at(100 + 3 * i)) for i in range(30)]]
    blind = iter([False] * 9 + [True] * 2 + [False] * 999)
    world.look = lambda img, box: [] if next(blind) else World.look(world, img, box)
    assert play(world, frames, is_live=False) == [[0]] * 31


def test_somebody_new_who_moves_fast_is_followed(world):
    """By more than half a side a frame, so that the boxes of two frames hardly overlap."""
    frames = [dict(a=at(20 + 15 * i, size=24)) for i in range(20)]
    assert play(world, frames) == [[0]] * 20


def test_a_lost_face_is_searched_at_once(world):
    """A jump, as of a cut: nobody is where they were expected."""
    numbers = play(world, [dict(a=at(100))] * 20 + [dict(a=at(20, 120, 20))] * 3)
    assert numbers[20:] == [[1]] * 3


def test_frames_far_apart_are_all_searched(world):
    """A small face after an empty frame, too, which a glance does not show."""
    assert play(world, [{}, {}, dict(a=at(100, size=20)), {}, dict(a=at(300, size=20))], rate=1) == [
        [],
        [],
        [0],
        [],
        [1],
    ]
    assert world.asked['search'] == 5
    assert play(world, [{}] * 4 + [dict(a=at(100, size=20))] * 4, rate=3, is_live=False)[-3:] == [[0]] * 3


def test_every_video_starts_anew_and_long_steps_are_not_followed(world):
    follower = FaceFollower(world)
    play(world, [dict(a=at(100))] * 3, follower)
    assert play(world, [dict(a=at(100))] * 2, follower, name='w', start=5) == [[0]] * 2
    assert play(world, [dict(a=at(100))] * 2, follower, name='w') == [[0]] * 2
    world.asked.clear()
    play(world, [dict(a=at(100))] * 4, rate=1)
    assert world.asked == dict(search=4)


def test_the_size_of_the_frames_may_change(world):
    follower = FaceFollower(world, 'fast')
    for i, shape in enumerate([(200, 400, 3), (200, 400, 3), (100, 200, 3), (100, 200, 3)]):
        image = np.zeros(shape, np.uint8)
        world.shown.append((image, dict(a=at(100) if i < 2 else at(50, 25, 20))))
        (face,) = follower(image, 'v', i / 30)
    assert face.box == at(50, 25, 20)


def test_other_detectors_are_asked_for_every_frame(world):
    calls = []
    assert FaceFollower(lambda img: calls.append(1) or [], 'balanced')(np.zeros((9, 9, 3), np.uint8), 'v', 0.0) == []
    world.rotations = (0, 90)
    for detector, speed in ((world, 'balanced'), (World(), 'accurate')):
        image, follower = np.zeros((200, 400, 3), np.uint8), FaceFollower(detector, speed)
        detector.shown.append((image, dict(a=at(100))))
        faces = [follower(image, 'v', i / 30) for i in range(3)]
        assert not follower.past
        assert detector.asked == dict(search=3)
        assert {face.person for (face,) in faces} == {None}
    with pytest.raises(ValueError, match="speed='quick'"):
        FaceFollower(world, 'quick')


@pytest.fixture(scope='module')
def answers(yunet_file, shared):
    clip = shared('photos/single_face.mp4')
    return {
        speed: ExpressionInferencer(detector=YuNet(yunet_file), speed=speed, threads=1)(clip, max_frames=24)
        for speed in ('accurate', 'balanced', 'fast')
    }


@pytest.mark.parametrize(('speed', 'apart', 'other_labels'), [('balanced', 0.01, 0), ('fast', 0.04, 2)])
def test_a_face_that_is_followed_gets_the_answer_of_one_that_is_detected(speed, apart, other_labels, answers):
    """The crop is cut from the same box; fast answers every second frame, so changes come a frame later."""
    differences, labels = [], []
    for exact, result in zip(answers['accurate'], answers[speed]):
        (wanted,), (face,) = exact.faces, result.faces
        assert box_iou([wanted.box], [face.box])[0, 0] > 0.8
        width = wanted.box[2] - wanted.box[0]
        assert np.abs(wanted.landmarks - face.landmarks).max() < 0.12 * width
        assert face.track == 0
        labels.append(face.label != wanted.label)
        differences.append(np.abs(wanted.scores - face.scores).sum() / 2)
    assert np.mean(differences) < apart
    assert sum(labels) <= other_labels


def test_between_two_looks_the_last_answer_is_repeated(answers):
    scores = [result.faces[0].scores for result in answers['fast']]
    repeated = [(a == b).all() for a, b in zip(scores, scores[1:])]
    assert 8 <= sum(repeated) < len(repeated) - 8
    assert len({result.faces[0].box for result in answers['fast']}) == 24


def test_a_look_sees_what_a_search_does(yunet_file, photo):
    yunet, img = YuNet(yunet_file), photo('multi_face.jpg')
    faces = yunet(img)
    for face in faces:
        seen = yunet.look(img, np.asarray(face.box) + 0.1 * face.area**0.5)
        assert max(box_iou([face.box], [other.box for other in seen])[0]) > 0.75
    assert yunet.look(img, (-500, -500, -400, -400)) == []
    assert yunet.look(img, (5, 5, 30, 40)) == []
    large = [face.box for face in yunet.glance(img)]
    assert box_iou(large, [face.box for face in faces]).max(axis=1).min() > 0.6
