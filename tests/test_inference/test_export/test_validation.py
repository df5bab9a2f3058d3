from pathlib import Path

import cv2
import exports
import numpy as np
import pytest
from mmengine.config import Config

from mmfer.datasets import SynthFER
from mmfer.inference.export.validation import Answers, answer, calibration_images, differences, open_faces
from mmfer.inference.export.write import export_onnx
from mmfer.inference.onnx import OnnxClassifier


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    """Config and file."""
    folder, config = tmp_path_factory.mktemp('model'), exports.config_of()
    export_onnx(config, exports.write(config, folder / 'a.pth', calibrated=True), folder / 'a.onnx')
    return config, folder / 'a.onnx'


def test_faces_as_they_are(model):
    config, file = model
    assert 'RandomFlip' in str(config.train_dataloader.dataset.pipeline)
    training, faces = (open_faces(config, None, part) for part in ('train', 'val'))
    assert (len(training), len(faces)) == (28, 14)
    drawn = SynthFER(split='train', num_samples=28, size=32)
    for i in (0, 27):
        np.testing.assert_array_equal(training[i]['img'], drawn[i]['img'])
    network = OnnxClassifier(file)
    found = calibration_images(network, training)
    assert found.shape == (28, 3, 32, 32)
    np.testing.assert_array_equal(found[3:4], network.normalise(drawn[3]['img'].transpose(2, 0, 1)[None].copy()))


def test_answers_are_those_of_the_file(model):
    config, file = model
    faces, network = open_faces(config, None, 'val'), OnnxClassifier(file)
    found = answer(file, faces)
    pixels = np.stack([faces[i]['img'].transpose(2, 0, 1) for i in range(14)])
    expected = network(pixels)
    np.testing.assert_allclose(found.scores, expected['pred_score'], atol=1e-6)
    np.testing.assert_allclose(found.uncertainty, expected['uncertainty'], atol=1e-6)
    assert found.bounds.shape == (2, 14, 7)
    assert (found.bounds[0] <= found.bounds[1]).all()
    assert found.target.tolist() == [faces[i]['gt_label'] for i in range(14)]


def test_classes_in_another_order(model, tmp_path):
    """They are matched by name, and a class that the model does not have is refused."""
    config, file = model
    pixels = np.random.default_rng(0).integers(0, 256, (40, 32, 3), np.uint8)
    for name in exports.CLASSES:
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / 'a.png'), pixels)
    dataset = dict(type='FolderDataset', data_root=str(tmp_path), pipeline=[dict(type='LoadImageFromFile')])
    data = Config(dict(val_dataloader=dict(dataset=dict(dataset, classes=list(exports.CLASSES[::-1])), batch_size=1)))
    faces = open_faces(config, data, 'val')
    names = [exports.CLASSES[label] for label in answer(file, faces).target]
    assert names == [Path(faces[i]['img_path']).parent.name for i in range(7)]
    (tmp_path / exports.CLASSES[0]).rename(tmp_path / 'bored')
    data.val_dataloader.dataset.classes = ['bored', *exports.CLASSES[1:]]
    with pytest.raises(ValueError, match='the data show bored, which the model does not have'):
        answer(file, open_faces(config, data, 'val'))
    with pytest.raises(ValueError, match=r'has no train_dataloader, whose images .* \(--data CONFIG\)'):
        open_faces(config, data, 'train')


def test_a_head_without_intervals(tmp_path):
    config = exports.config_of('LinearHead')
    export_onnx(config, exports.write(config, tmp_path / 'a.pth'), tmp_path / 'a.onnx')
    found = answer(tmp_path / 'a.onnx', open_faces(config, None, 'val'))
    assert found.bounds is None
    assert 'bounds' not in differences(found, found)


def test_differences():
    target, bounds = np.array([0, 1]), np.zeros((2, 2, 2))
    exact = Answers(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0.1, 0.6]), bounds, target)
    found = Answers(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0.1, 0.7]), bounds + 0.5, target)
    rows = differences(exact, found)
    assert (exact.accuracy, found.accuracy, rows['changed']) == (100, 50, 50)
    assert rows['probs'] == pytest.approx(dict(largest=0.2, mean=0.1))
    assert rows['uncertainty'] == pytest.approx(dict(largest=0.1, mean=0.05))
    assert rows['bounds'] == dict(largest=0.5, mean=0.5)
