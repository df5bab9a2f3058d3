import json

import numpy as np
import pytest
from face_results import CLASSES, make_face

from mmfer.structures.results import ImageResult, score_interval


def test_interval_holds_the_mass_it_says():
    mean, std = np.array([1.0, -0.5, 0.3]), np.array([0.5, 1.0, 0.1])
    low, high = score_interval(mean, std, 0.8)
    logits = mean + std * np.random.default_rng(7).standard_normal((40_000, 3))
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(((probs >= low) & (probs <= high)).mean(0), 0.8, atol=0.03)


def test_interval_of_correlated_logits():
    mean, factor = np.array([1.0, -0.5, 0.3]), np.array([[1.0, 0.2], [0.9, -0.4], [0.1, 0.3]])
    std = np.sqrt(0.1 + np.square(factor).sum(1))
    low, high = score_interval(mean, std, 0.8, factor=factor)
    rng = np.random.default_rng(7)
    logits = mean + np.sqrt(0.1) * rng.standard_normal((40_000, 3)) + rng.standard_normal((40_000, 2)) @ factor.T
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(((probs >= low) & (probs <= high)).mean(0), 0.8, atol=0.03)
    shared = score_interval(mean, np.ones(3), 0.8, factor=np.ones((3, 1)))  # moves all logits alike
    np.testing.assert_allclose(*shared)


def test_interval_of_calibrated_scores():
    mean, std = np.array([1.0, -0.5, 0.3]), np.full(3, 1e-9)
    weight, bias = np.array([0.5, 2.0, 1.0]), np.array([0.1, 0.0, -0.2])
    low, high = score_interval(mean, std, 0.9, weight, bias)
    logits = weight * (mean - np.log(np.exp(mean).sum())) + bias
    np.testing.assert_allclose(low, np.exp(logits) / np.exp(logits).sum(), atol=1e-6)
    np.testing.assert_allclose(low, high, atol=1e-6)
    with pytest.raises(ValueError, match='level=1'):
        score_interval(mean, std, 1)


def test_face_as_plain_values():
    assert make_face(label_set=('happiness', 'neutral')).to_dict()['label_set'] == ['happiness', 'neutral']
    face = make_face(mean=np.zeros(3), std=np.ones(3), landmarks=np.ones((5, 2), np.float32))
    content = json.loads(json.dumps(face.to_dict()))
    assert content['scores'] == dict(neutral=0.2, happiness=0.7, sadness=0.1)
    assert content['std'] == dict.fromkeys(CLASSES, 1.0)
    assert content['score'] == 0.7
    assert face.score == pytest.approx(0.7)
    assert content['landmarks'] == [[1.0, 1.0]] * 5
    assert not {'track', 'label_set', 'epistemic', 'score_low', 'detection_score'} & content.keys()


def test_image_as_plain_values():
    whole = ImageResult('a.jpg', 40, 30, (make_face(),)).to_dict()
    assert whole['width'] == 40
    assert len(whole['faces']) == 1
    assert 'error' not in whole
    assert ImageResult('b.jpg', error='damaged').to_dict() == dict(source='b.jpg', error='damaged')
    assert ImageResult('c.mp4', 4, 3, frame=7, time=0.28).to_dict()['frame'] == 7


def test_image_at_another_size():
    image = ImageResult('a.png', 200, 100, (make_face(), make_face(landmarks=np.full((5, 2), 10.0))))
    half = image.resized(100, 50)
    assert (half.width, half.height) == (100, 50)
    assert half.faces[0].box == tuple(np.asarray(image.faces[0].box) / 2)
    assert half.faces[0].landmarks is None
    np.testing.assert_array_equal(half.faces[1].landmarks, np.full((5, 2), 5.0))
    assert half.resized(200, 100).faces[0].box == image.faces[0].box
