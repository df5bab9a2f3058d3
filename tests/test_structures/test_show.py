import base64
import re

import cv2
import numpy as np
import pytest

from mmfer.structures.results import FaceResult, ImageResult, Results, columns
from mmfer.structures.show import MAX_IMAGES

CLASSES = ('happiness', 'sad<ness>')


def face(**changes):
    values = dict(
        box=(10.0, 20.0, 50.0, 60.0),
        classes=CLASSES,
        label='happiness',
        scores=np.array([0.9, 0.1]),
        uncertainty=0.325,
        score_low=np.array([0.8, 0.05]),
        score_high=np.array([0.95, 0.2]),
    )
    return FaceResult(**{**values, **changes})


def image(**changes):
    return ImageResult(**{**dict(source='a.jpg', width=100, height=80, faces=(face(), face(abstain=True))), **changes})


def test_text():
    assert repr(face()) == 'FaceResult(happiness 0.90 (0.80 to 0.95), uncertainty 0.33 nats)'
    assert repr(face(label_set=CLASSES[:1], abstain=True)).endswith('nats, set: happiness, abstains)')
    assert repr(image()).splitlines() == [
        'a.jpg: 2 faces',
        '  0: happiness 0.90 (0.80 to 0.95), uncertainty 0.33 nats, box (10, 20, 50, 60)',
        '  1: happiness 0.90 (0.80 to 0.95), uncertainty 0.33 nats, abstains, box (10, 20, 50, 60)',
    ]
    assert repr(image(faces=())) == 'a.jpg: no face found'
    assert repr(image(faces=(), error='it is broken')) == 'a.jpg: not answered: it is broken'
    assert repr(image(faces=(face(score_low=None, score_high=None),), frame=7)).startswith('a.jpg, frame 7: 1 face\n')


def test_text_of_a_list():
    several = Results([image(source='a.jpg'), image(source='b.jpg', faces=())])
    assert repr(several).splitlines() == [*repr(several[0]).splitlines(), 'b.jpg: no face found']
    assert str(several) == repr(several)
    assert repr(Results([image(faces=())] * (MAX_IMAGES + 3))).splitlines()[MAX_IMAGES:] == ['... and 3 more']
    assert repr(Results()) == 'no images'


def test_html_has_the_picture_with_boxes_and_escapes_names(tmp_path):
    path = tmp_path / 'a<b>.png'
    cv2.imwrite(str(path), np.full((80, 100, 3), 90, np.uint8))
    text = image(source=str(path))._repr_html_()
    data = re.search(r'base64,([A-Za-z0-9+/=]+)"', text)[1]
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (80, 100, 3)
    assert picture[40, 10, 1] > picture[40, 10, 0] + 60  # the green side of the box
    assert 'a&lt;b&gt;.png' in text
    assert 'sad&lt;ness&gt;' in text
    assert '<b>.png' not in text
    assert text.count('width:108px') == 2  # the bar of 0.9


@pytest.mark.parametrize('source', ['gone.jpg', 'frame'])
def test_html_without_a_picture(source):
    assert '<img' not in image(source=source, frame=3 if source == 'frame' else None)._repr_html_()


def test_long_lists_are_cut():
    text = Results([image(source='gone.jpg')] * (MAX_IMAGES + 5))._repr_html_()
    assert text.count('<b>') == MAX_IMAGES
    assert '... and 5 more' in text


def test_tables():
    results = Results([image(), image(faces=(), source='b.jpg'), image(faces=(), error='broken', source='c.jpg')])
    assert [row.get('face') for result in results for row in result.to_rows()] == [0, 1, None, None]
    assert results.to_dict()[0]['faces'][0]['scores'] == dict(zip(CLASSES, [0.9, 0.1]))
    pandas = pytest.importorskip('pandas')
    table = results.to_pandas()
    assert list(table.columns) == columns(CLASSES)
    assert table.source.tolist() == ['a.jpg', 'a.jpg', 'b.jpg', 'c.jpg']
    assert table.scores_happiness.tolist()[:2] == [0.9, 0.9]
    assert pandas.isna(table.label[2])
    assert table.error[3] == 'broken'


def test_bounds_of_people():
    told = face(people=10, score_low=np.array([0.5, 0.0]), score_high=np.array([0.8, 0.0]))
    assert repr(told) == 'FaceResult(happiness 0.90, of 10 people, 5 to 8 would say happiness, uncertainty 0.33 nats)'
    page = image(faces=(told,))._repr_html_()
    assert '0.90, 5 to 8 of 10 people' in page
    assert '0.10, 0 of 10 people' in page
    assert told.to_dict()['people'] == 10
    assert 'people' not in face().to_dict()
