"""A model that answers at once, and pictures for it."""

import cv2
import numpy as np
import pytest

from mmfer.inference.inferencer import ExpressionInferencer
from mmfer.structures.results import Face
from mmfer.web.examples import Example
from mmfer.web.looker import Looker

CLASSES = ('neutral', 'happiness', 'sadness')


class TinyClassifier:
    """Answers by the colour of a face: blue is neutral, green happiness, red sadness; grey is anything."""

    classes, source = CLASSES, 'folder/tiny.onnx'
    pipeline = [dict(type='ImageResize', size=(8, 8))]
    face_crop = calibration = None
    abstention = dict(threshold=0.5)

    def __init__(self):
        self.calls = 0

    def __call__(self, images):
        self.calls += 1
        mean = images.mean((2, 3)) / 30.0
        scores = np.exp(mean) / np.exp(mean).sum(1, keepdims=True)
        total = -(scores * np.log(scores)).sum(1)
        parts = dict(uncertainty=total, aleatoric=0.75 * total, epistemic=0.25 * total)
        return dict(pred_score=scores, pred_mean=mean, pred_std=np.full_like(mean, 0.5), **parts)


def find_squares(image):
    """A face in each half of pictures that are wider than high; none in others."""
    height, width = image.shape[:2]
    if width <= height:
        return []
    return [Face((0.0, 0.0, width / 2, float(height)), 0.9), Face((width / 2, 0.0, float(width), float(height)), 0.8)]


def png(image):
    return cv2.imencode('.png', image)[1].tobytes()


def two_halves():
    image = np.full((40, 80, 3), 120, np.uint8)
    image[:, :40] = (0, 200, 0)
    return png(image)


def red():
    return png(np.full((30, 30, 3), (0, 0, 200), np.uint8))


def build_looker(classifier=None, capacity=500):
    example = Example('sadness', red(), dict(neutral=0.1, happiness=0.1, sadness=0.8))
    inferencer = ExpressionInferencer(classifier or TinyClassifier(), detector=find_squares)
    return Looker(inferencer, examples=[example], capacity=capacity)


@pytest.fixture
def wide():
    """A PNG whose left half is green and whose right half is grey."""
    return two_halves()


@pytest.fixture
def square():
    """A PNG, red all over."""
    return red()


@pytest.fixture
def classifier():
    return TinyClassifier()


@pytest.fixture
def looker(classifier):
    return build_looker(classifier, capacity=3)


@pytest.fixture(scope='session')
def make_looker():
    return build_looker
