from html.parser import HTMLParser

import numpy as np
import pytest
from face_results import make_face

from mmfer.structures.results import ImageResult
from mmfer.web.answer import FIRST_FRAME, NO_FACE, cards_html, examples_html, stage_html, summary_html
from mmfer.web.look import Answer, jpeg

SET = ('happiness', 'neutral')
VOID = ('img', 'br', 'input', 'meta')


def answer_of(*faces, **changes):
    picture = jpeg(np.zeros((50, 100, 3), np.uint8), 100)
    return Answer(ImageResult('a', 100, 50, faces), picture, len(faces) * (b'face',), **changes)


def parse(html):
    """(tag, attributes) of all elements, and the text; fails where tags are not closed in order."""
    found, text, open_tags = [], [], []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.append((tag, dict(attrs)))
            if tag not in VOID:
                open_tags.append(tag)

        def handle_endtag(self, tag):
            assert open_tags.pop() == tag

        def handle_data(self, data):
            text.append(data)

    Reader().feed(html)
    assert not open_tags
    return found, ' '.join(text)


def full_face(**changes):
    scores = np.array([0.2, 0.7, 0.1])
    fields = dict(score_low=scores - 0.05, score_high=scores + 0.1, aleatoric=0.6, epistemic=0.2)
    return make_face(scores=scores, **dict(fields, **changes))


def test_a_card_says_what_is_known():
    elements, text = parse(cards_html(answer_of(full_face()), 0.5, 0.9))
    styles = [attributes.get('style', '') for _, attributes in elements]
    assert 'happiness 0.70' in text
    for part in ('0.80 of 1.10 nats', 'aleatoric 0.60', 'epistemic 0.20', '90 % interval', '0.65–0.80'):
        assert part in text
    assert 'left: 65.00%; width: 15.00%' in styles
    assert f'left: {100 * 0.5 / np.log(3):.2f}%' in styles  # the threshold on the scale of the uncertainty
    assert ('img', {'class': 'mm-thumb', 'src': 'data:image/jpeg;base64,ZmFjZQ==', 'alt': 'Face 1'}) in elements
    assert [a.get('aria-label') for tag, a in elements if tag == 'article'] == ['Face 1: happiness 0.70']
    rows = [a for tag, a in elements if tag == 'th' and a.get('scope') == 'row']
    assert len(rows) == 3


def test_a_card_leaves_out_what_is_not_known():
    html = cards_html(answer_of(make_face()), 2.0, 0.9)
    _, text = parse(html)
    assert 'happiness' in text
    for absent in ('aleatoric', 'interval', 'mm-truth', 'mm-whisker', '<b style'):
        assert absent not in html


def test_the_set_of_a_card():
    elements, text = parse(cards_html(answer_of(full_face(label_set=SET, abstain=True)), 0.5))
    assert 'unsure: happiness' in text
    assert 'set:  happiness or neutral' in text
    assert [a.get('class') for tag, a in elements if tag == 'tr'] == [None, None, 'mm-own', 'mm-out']


def test_tiny_parts_are_not_called_nothing():
    assert 'epistemic &lt;0.01' in cards_html(answer_of(full_face(epistemic=0.001)), 1)
    assert 'epistemic 0.00' in cards_html(answer_of(full_face(epistemic=0.0)), 1)


def test_what_is_true_of_an_example():
    html = cards_html(answer_of(full_face(), truth=dict(neutral=0.25, happiness=0.75)), 1)
    _, text = parse(html)
    assert 'true' in text
    assert html.count('mm-truth') == 3
    assert 'left: 75.00%' in html


def test_abstention_is_said_in_words():
    answer = answer_of(make_face(abstain=True), make_face(label='sadness'))
    assert '1 unsure: happiness' in parse(cards_html(answer, 0.5))[1]
    elements, _ = parse(stage_html(answer))
    image = next(attributes for tag, attributes in elements if tag == 'img')
    assert image['alt'] == 'The picture with 2 faces in boxes: 1 unsure, happiness 0.70, 2 sadness 0.10'
    assert image['src'].startswith('data:image/jpeg;base64,')


@pytest.mark.parametrize(
    ('answer', 'threshold', 'expected'),
    [
        ('The file is empty.', 1, 'The file is empty.'),
        (answer_of(), 1, NO_FACE),
        (answer_of(make_face()), 1, 'happiness with probability 0.70.'),
        (answer_of(make_face(), moves=True), 1, 'happiness with probability 0.70.' + FIRST_FRAME),
        (answer_of(make_face(abstain=True)), 0.5, 'No answer: the uncertainty, 0.80 nats, is above 0.50.'),
        (answer_of(full_face(label_set=SET)), 1, 'happiness with probability 0.70; it may be happiness or neutral.'),
        (answer_of(full_face(label_set=SET[:1])), 1, 'happiness with probability 0.70.'),
        (answer_of(make_face(), make_face()), 1, '2 faces, all answered.'),
        (answer_of(make_face(abstain=True), make_face()), 1, '2 faces: 1 answered, 1 too uncertain.'),
    ],
)
def test_the_summary_is_one_sentence(answer, threshold, expected):
    _, text = parse(summary_html(answer, threshold))
    assert ' '.join(text.split()).replace(' :', ':').replace(' ,', ',').replace(' .', '.') == expected


@pytest.mark.parametrize(('width', 'height'), [(1, 1), (1, 20_000), (12_000, 3)])
def test_odd_pictures(width, height):
    face = make_face(box=(0, 0, width, height), landmarks=np.zeros((5, 2)))
    picture = jpeg(np.zeros((height, width, 3), np.uint8), 960)
    assert '1 face in boxes' in stage_html(Answer(ImageResult('a', width, height, (face,)), picture, (b'',)))


def test_nothing_is_shown_of_nothing():
    assert stage_html(answer_of()) == cards_html(answer_of(), 1) == examples_html([]) == ''


def test_examples_are_buttons_with_names(example):
    elements, text = parse(examples_html([example, example]))
    assert [a['value'] for tag, a in elements if tag == 'button'] == ['0', '1']
    assert text.split()[-2:] == ['red', 'red']


def test_names_of_classes_are_text():
    answer = answer_of(make_face(classes=('<script>', 'happiness', 'a"b'), label='<script>'))
    elements, _ = parse(cards_html(answer, 1) + stage_html(answer) + summary_html(answer, 1) + summary_html('<script>'))
    assert all(tag != 'script' for tag, _ in elements)


def test_bounds_of_people_are_no_whiskers():
    low, high = np.array([0.0, 0.5, 0.1]), np.array([0.2, 0.8, 0.1])
    html = cards_html(answer_of(full_face(people=10, score_low=low, score_high=high)), 1.0, 0.9)
    _, text = parse(html)
    assert 'mm-whisker' not in html
    assert 'of 10 people' in text
    assert '5–8' in text
