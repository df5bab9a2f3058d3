import csv

import cv2
import numpy as np
import pytest

from mmfer.datasets.synth.film import synth_film

SMALL = dict(seconds=2, people=3, size=(320, 180), rate=6, heights=(20, 80))


@pytest.fixture(scope='module')
def film():
    return list(synth_film(3, **SMALL))


def test_it_follows_from_its_seed(film):
    for (image, faces), (again, same) in zip(film, synth_film(3, **SMALL)):
        np.testing.assert_array_equal(image, again)
        assert [face.box for face in faces] == [face.box for face in same]
    assert any((image != other).any() for (image, _), (other, _) in zip(film, synth_film(4, **SMALL)))


def test_people_move_and_change(film):
    assert len(film) == 12
    assert {image.shape for image, _ in film} == {(180, 320, 3)}
    ways = {}
    for _, faces in film:
        heights = [face.box[3] - face.box[1] for face in faces]
        assert heights == sorted(heights)  # the nearest is painted last, over the others
        for face in faces:
            ways.setdefault(face.person, []).append(face)
    assert len(ways) > 1
    for way in ways.values():
        steps = np.diff([face.box[0] for face in way])
        assert (steps > 0).all() or (steps < 0).all()
        assert all(0 <= face.visible <= 1 for face in way)
        assert all(face.intensities.shape == (7,) for face in way)
    assert any(not np.allclose(way[0].intensities, way[-1].intensities) for way in ways.values())


def test_the_box_holds_the_face(film):
    """Against the same video without people, what differs lies in and around the boxes, and fills those not covered."""
    empty, _ = next(synth_film(3, **dict(SMALL, people=0)))
    for image, faces in film:
        differs = np.abs(image.astype(int) - empty).max(axis=2) > 25
        for face in faces:
            x1, y1, x2, y2 = (round(value) for value in face.box)
            if face.visible > 0.95 and x1 >= 0 and x2 <= 320:
                assert differs[y1:y2, x1:x2].mean() > 0.6


def test_the_command_writes_videos_and_their_faces(tmp_path, call_tool):
    options = ['--num', 2, '--seconds', 0.5, '--people', 2, '--size', 90, '--rate', 10, '--faces', 20, 60]
    code, printed, error = call_tool('mmfer data synth', '--video', '--out', tmp_path / 'new', *options)
    assert (code, error.splitlines()[1:]) == (0, [])
    assert '2 videos' in printed
    with open(tmp_path / 'new/faces.csv', newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    films = [list(synth_film((0, i), 0.5, 2, (160, 90), 10, (20, 60))) for i in range(2)]
    assert len(rows) == sum(len(faces) for film in films for _, faces in film)
    for number, film in enumerate(films):
        capture = cv2.VideoCapture(str(tmp_path / f'new/videos/{number:06d}.mp4'))
        assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == len(film) == 5
        assert capture.get(cv2.CAP_PROP_FRAME_HEIGHT) == 90
    code, _, error = call_tool('mmfer data synth', '--video', '--out', tmp_path / 'no', '--num', 1, '--size', 91)
    assert code == 1
    assert 'even number' in error
    assert not (tmp_path / 'no').exists()
