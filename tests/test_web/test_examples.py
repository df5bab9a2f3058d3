import numpy as np
import pytest

from mmfer.web.examples import SIZE, draw_examples

CLASSES = ('neutral', 'happiness', 'sadness', 'surprise', 'fear', 'disgust', 'anger')


def test_a_clear_face_of_each_expression_and_some_blends():
    examples = draw_examples(CLASSES)
    assert [example.name for example in examples[:7]] == list(CLASSES)
    assert len(examples) == 10
    for example in examples:
        assert (example.image.shape, example.image.dtype) == ((SIZE, SIZE, 3), np.uint8)
        assert sum(example.truth.values()) == pytest.approx(1, abs=1e-5)
        first, *second = example.name.split(' or ')
        assert max(example.truth, key=example.truth.get) == first
        assert (example.truth[first] > 0.9) == (not second)
    again = draw_examples(CLASSES)
    assert all(np.array_equal(a.image, b.image) for a, b in zip(again, examples))


def test_only_what_the_model_knows():
    names = {example.name.split(' or ')[0] for example in draw_examples(('happiness', 'contempt'), blends=1)}
    assert names == {'happiness', 'contempt'}
    assert draw_examples(('yes', 'no')) == []
