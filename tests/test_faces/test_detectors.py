import shutil
import threading
import warnings

import numpy as np
import pytest
from processes import python

from mmfer.faces.detectors import build_detector, whole_image
from mmfer.faces.haar import Haar
from mmfer.faces.yunet import YuNet
from mmfer.registry import FACE_DETECTORS
from mmfer.structures.results import Face


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('MMFER_CACHE', str(tmp_path))
    return tmp_path


def test_haar_by_name():
    assert isinstance(build_detector('haar'), Haar)
    assert isinstance(build_detector('Haar'), Haar)


def test_without_yunets_file(empty_cache):
    with pytest.warns(UserWarning, match=r'MMFER_OFFLINE is set.*Haar cascade.*misses many.*mmfer download yunet'):
        assert isinstance(build_detector(), Haar)
    with pytest.raises(FileNotFoundError, match=r'mmfer download yunet'):
        build_detector('yunet')


def test_yunet_is_fetched_once(empty_cache, yunet_file, monkeypatch, capsys):
    monkeypatch.delenv('MMFER_OFFLINE')
    asked = []

    def fetch(file, patience):
        asked.append(file.name)
        shutil.copy(yunet_file, file.path)

    monkeypatch.setattr('mmfer.utils.download.fetch', fetch)
    for _ in range(2):
        assert isinstance(build_detector('auto'), YuNet)
    assert asked == ['yunet']
    assert 'fetching the face detector YuNet once' in capsys.readouterr().err


@pytest.mark.parametrize('problem', ['refused', 'slow'])
def test_what_cannot_be_fetched_costs_little_and_is_not_tried_again_soon(problem, empty_cache, monkeypatch):
    monkeypatch.delenv('MMFER_OFFLINE')
    monkeypatch.setattr('mmfer.faces.detectors.PATIENCE', 0.05)
    asked, never = [], threading.Event()

    def fetch(file, patience):
        asked.append(file.name)
        if problem == 'slow':
            never.wait(20)
        raise OSError('cannot download it: no connection. Download it elsewhere')

    monkeypatch.setattr('mmfer.utils.download.fetch', fetch)
    reason = 'did not come within 0.05 seconds' if problem == 'slow' else 'no connection'
    with pytest.warns(UserWarning, match=f'{reason}.*Haar cascade'):
        assert isinstance(build_detector('auto'), Haar)
    with pytest.warns(UserWarning, match='could not be fetched within the last hour'):
        assert isinstance(build_detector('auto'), Haar)
    never.set()
    assert asked == ['yunet']


def test_with_yunets_file(empty_cache, yunet_file):
    shutil.copy(yunet_file, empty_cache)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert isinstance(build_detector('auto'), YuNet)
    assert isinstance(build_detector('yunet'), YuNet)


def test_yunet_by_its_path(yunet_file, tmp_path, monkeypatch):
    monkeypatch.chdir(yunet_file.parent)
    for path in (str(yunet_file), yunet_file, yunet_file.name):
        detector = build_detector(path)
        assert isinstance(detector, YuNet)
        assert detector.model.samefile(yunet_file)


def test_paths_that_are_not_yunets(empty_cache):
    with pytest.raises(FileNotFoundError, match=r'YuNet is not there: .*none\.ONNX\. Fetch it with: mmfer down'):
        build_detector(empty_cache / 'none.ONNX')
    (empty_cache / 'other.onnx').write_bytes(b'another network')
    with pytest.raises(
        ValueError, match=r'other\.onnx \(15 bytes\) is not the ONNX file of YuNet.* Fetch the right one'
    ):
        build_detector(str(empty_cache / 'other.onnx'))
    (empty_cache / 'face_detection_yunet_2023mar.onnx').write_bytes(b'cut off')
    with pytest.raises(ValueError, match='Remove it and fetch it again with'):
        build_detector('yunet')
    with pytest.raises(
        ValueError, match="unknown face detector 'faces.xml'; known are .* the path of YuNet's ONNX file"
    ):
        build_detector('faces.xml')


def test_configs(yunet_file):
    haar = build_detector(dict(type='Haar', min_neighbors=7))
    assert haar.min_neighbors == 7
    assert isinstance(build_detector(dict(type='mmfer.haar')), Haar)
    assert isinstance(build_detector(dict(type=Haar)), Haar)
    config = dict(type='YuNet', model=str(yunet_file), score_threshold=0.8)
    assert build_detector(config).score_threshold == 0.8
    assert config['type'] == 'YuNet'


def test_own_detectors_are_found_by_their_names():
    class Nobody:
        def __call__(self, img):
            return []

    FACE_DETECTORS.register_module(module=Nobody)
    try:
        assert isinstance(build_detector(dict(type='Nobody')), Nobody)
    finally:
        del FACE_DETECTORS.module_dict['Nobody']


def test_callables_stay_and_none_is_the_whole_image():
    def find(img):
        return [Face((0, 0, 1, 1))]

    assert build_detector(find) is find
    assert build_detector(None) is whole_image
    faces = whole_image(np.zeros((20, 30, 3), np.uint8))
    assert [face.box for face in faces] == [(0, 0, 30, 20)]
    assert (faces[0].score, faces[0].landmarks) == (None, None)
    assert whole_image(np.zeros((0, 30, 3), np.uint8)) == []
    with pytest.raises(ValueError, match='whole_image'):
        whole_image(np.zeros((20, 30)))


@pytest.mark.parametrize(
    ('detector', 'error', 'message'),
    [
        ('mtcnn', ValueError, "unknown face detector 'mtcnn'; known are 'auto', 'haar', 'yunet'"),
        ('', ValueError, 'unknown face detector'),
        (dict(type='MTCNN'), ValueError, "unknown face detector 'MTCNN' .*known are Haar, YuNet"),
        (dict(min_neighbors=3), ValueError, 'needs a type'),
        (dict(type='Haar', neighbours=3), TypeError, 'neighbours'),
        (dict(type='Haar', min_neighbors=-3), ValueError, 'min_neighbors=-3'),
        (7, TypeError, 'a face detector is a name .* not 7'),
    ],
)
def test_mistakes(detector, error, message):
    with pytest.raises(error, match=message):
        build_detector(detector)


def test_faces_need_neither_torch_nor_openmmlab():
    code = (
        'import sys; from mmfer.faces.detectors import build_detector; build_detector("haar"); '
        'print(sorted({name.split(".")[0] for name in sys.modules} & {"torch", "mmengine", "mmcv", "mmpretrain"}))'
    )
    result = python('-c', code)
    assert result.stdout.strip() == '[]', result.stderr
