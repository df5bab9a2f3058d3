"""Real photographs and weights, which are not part of the project, and drawn faces, which are."""

import cv2
import pytest
from processes import ROOT

from mmfer.datasets.synth_fer import SynthFER

SHARED = ROOT.parent / 'shared'


@pytest.fixture(scope='session')
def shared():
    """The path of a file beside the project."""

    def find(path):
        if not (SHARED / path).is_file():
            pytest.skip(f'needs ../shared/{path}')
        return SHARED / path

    return find


@pytest.fixture(scope='session')
def yunet_file(shared):
    return shared('weights/face_detection_yunet_2023mar.onnx')


@pytest.fixture(scope='session')
def photo(shared):
    """Reads one of the photographs."""
    return lambda name: cv2.imread(str(shared(f'photos/{name}')))


@pytest.fixture(scope='session')
def drawn_face():
    """uint8 BGR (224, 224, 3) of a drawn face that the Haar cascade finds."""
    return SynthFER(split='test', num_samples=1, size=224).get_data_info(0)['img']
