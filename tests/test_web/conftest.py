import cv2
import numpy as np
import pytest
from face_results import ColourClassifier, two_faces

from mmfer.inference.inferencer import ExpressionInferencer
from mmfer.web.examples import Example


@pytest.fixture(scope='session')
def wide():
    """A PNG whose left half is green and whose right half is grey."""
    image = np.full((40, 80, 3), 120, np.uint8)
    image[:, :40] = (0, 200, 0)
    return cv2.imencode('.png', image)[1].tobytes()


@pytest.fixture(scope='session')
def example():
    return Example('red', np.full((30, 30, 3), (0, 0, 200), np.uint8), dict(blue=0.1, green=0.1, red=0.8))


@pytest.fixture(scope='module')
def inferencer():
    """It answers by the colour of a half, and counts the batches of its network."""
    return ExpressionInferencer(ColourClassifier(abstention=dict(threshold=0.9)), detector=two_faces)
