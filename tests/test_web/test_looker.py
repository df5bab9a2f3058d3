import math
import threading

import pytest

from mmfer.inference.inferencer import ExpressionInferencer
from mmfer.web.looker import Looker
from mmfer.web.pictures import PictureError


def test_a_picture_is_looked_at_once_and_judged_by_any_threshold(looker, classifier, wide):
    told = looker.look(wide)
    assert sorted(told) == ['faces', 'picture', 'token']
    assert len(told['faces']) == 2
    calls = classifier.calls
    labels, unsure = [], []
    for threshold in (0.0, 0.5, math.log(3) + 0.01):
        answer = looker.judge(told['token'], threshold)
        labels.append(answer.result.faces[0].label)
        unsure.append([face.abstain for face in answer.result.faces])
    assert labels == ['happiness'] * 3
    assert unsure == [[True, True], [False, True], [False, False]]
    assert classifier.calls == calls
    assert (answer.result.width, answer.result.height) == (80, 40)
    assert answer.result.faces[0].score_low is not None


def test_no_pixels_are_kept(looker, wide):
    looker.look(wide)
    answer = next(iter(looker.answers.values()))
    values = [value for face in answer.result.faces for value in vars(face).values()]
    assert max(value.size for value in values if hasattr(value, 'size')) <= 10  # the five points
    assert answer.truth is None


def test_one_face_on_request_and_without_a_detector(looker, classifier, wide, square):
    assert looker.look(square)['faces'] == []
    told = looker.look(square, one_face=True)
    face = looker.judge(told['token'], 1.0).result.faces[0]
    assert (face.box, face.label) == ((0.0, 0.0, 30.0, 30.0), 'sadness')
    without = Looker(ExpressionInferencer(classifier, detector=None))
    assert without.needs_one_face
    assert len(without.look(wide)['faces']) == 1


def test_examples_bring_what_is_true_of_them(looker):
    answer = looker.judge(looker.look_at_example(0)['token'], 1.0)
    assert answer.truth['sadness'] == 0.8
    assert answer.one_face
    for number in (-1, 1):
        with pytest.raises(PictureError, match='no such example'):
            looker.look_at_example(number)


@pytest.mark.parametrize('one_face', [False, True])
def test_damaged_pictures_are_refused_in_one_sentence(looker, wide, one_face):
    with pytest.raises(PictureError, match=r'^The picture is damaged or cut off: it cannot be read to its end\.$'):
        looker.look(wide[:-40], one_face)


def test_mistakes_of_the_model_are_not_blamed_on_the_picture(looker, wide, monkeypatch):
    def fail(images):
        raise ValueError('no')

    monkeypatch.setattr(looker.inferencer, 'classifier', fail)
    with pytest.raises(ValueError, match='^no$') as caught:
        looker.look(wide, one_face=True)
    assert not isinstance(caught.value, PictureError)


def test_the_oldest_answers_are_dropped(looker, square):
    tokens = [looker.look_at_example(0)['token'] for _ in range(5)]
    assert len(set(tokens)) == 5
    assert [looker.judge(token, 1.0) is None for token in tokens] == [True, True, False, False, False]
    assert looker.judge('unknown', 1.0) is None


def test_several_people_at_a_time_get_their_own_answers(make_looker, wide, square):
    looker, answers = make_looker(), {}

    def look(number):
        data = wide if number % 2 else square
        told = looker.look(data, one_face=not number % 2)
        answers[number] = [face.label for face in looker.judge(told['token'], 2.0).result.faces]

    threads = [threading.Thread(target=look, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 12
    assert all(answers[n][0] == ('happiness' if n % 2 else 'sadness') for n in answers)
