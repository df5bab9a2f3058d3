import io

import cv2
import numpy as np
import pytest
from PIL import Image

from mmfer.inference.inferencer import ExpressionInferencer
from mmfer.web.look import REFUSED, PictureError, judge, look, look_at_example


def encoded(width=40, height=20, kind='PNG', **options):
    file = io.BytesIO()
    Image.new('RGB', (width, height)).save(file, kind, **options)
    return file.getvalue()


def test_a_picture_is_looked_at_once_and_judged_by_any_threshold(inferencer, wide):
    answer = look(inferencer, wide)
    calls = len(inferencer.classifier.batches)
    unsure = [[face.abstain for face in judge(answer, value).result.faces] for value in (0.0, 1.0, 1.39)]
    assert unsure == [[True, True], [False, True], [False, False]]
    assert len(inferencer.classifier.batches) == calls
    assert [face.label for face in answer.result.faces] == ['green', 'grey']
    assert answer.truth is None
    assert not answer.moves
    green, grey = (cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) for data in answer.thumbnails)
    assert green.shape == (40, 46, 3)
    assert np.abs(green[:, :30].mean((0, 1)) - (0, 200, 0)).max() < 5
    assert np.abs(grey[:, -30:].mean((0, 1)) - 120).max() < 5


def test_one_face_on_request_without_a_detector_and_of_examples(inferencer, wide, example):
    without = ExpressionInferencer(inferencer.classifier, detector=None)
    for answer in (look(inferencer, wide, one_face=True), look(without, wide)):
        assert [face.box for face in answer.result.faces] == [(0.0, 0.0, 80.0, 40.0)]
    answer = look_at_example(inferencer, example)
    assert (answer.result.faces[0].label, answer.truth) == ('red', example.truth)


def test_large_pictures_are_kept_smaller(inferencer):
    picture = look(inferencer, encoded(1920, 300)).picture
    assert cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).shape == (150, 960, 3)


@pytest.mark.parametrize('one_face', [False, True])
@pytest.mark.parametrize(
    'data',
    [b'', b'not a picture', b'<svg/>', encoded()[:-20], encoded(kind='JPEG')[:-2], encoded(201, 100)],
    ids=['empty', 'text', 'svg', 'png cut off', 'jpeg cut off', 'many pixels'],
)
def test_what_is_refused_gets_one_sentence(inferencer, data, one_face, monkeypatch):
    monkeypatch.setattr(inferencer, 'max_pixels', 20_000)
    with pytest.raises(PictureError) as caught:
        look(inferencer, data, one_face)
    assert str(caught.value) == REFUSED.format(millions=0.02)


@pytest.mark.parametrize('kind', ['GIF', 'WebP', 'PNG'])
def test_of_an_animation_the_first_frame_is_taken(inferencer, kind):
    others = [Image.new('RGB', (40, 20), 'red')]
    answer = look(inferencer, encoded(kind=kind, save_all=True, append_images=others))
    assert answer.moves
    assert answer.result.faces[0].label == 'grey'


def test_mistakes_of_the_model_are_not_blamed_on_the_picture(inferencer, wide, monkeypatch):
    def fail(images):
        raise ValueError('no')

    monkeypatch.setattr(inferencer, 'classifier', fail)
    with pytest.raises(ValueError, match='^no$') as caught:
        look(inferencer, wide, one_face=True)
    assert not isinstance(caught.value, PictureError)
