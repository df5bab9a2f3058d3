import copy

import numpy as np
import pytest
import torch
from face_results import ColourClassifier
from nested_data import KINDS, nested
from small_runs import shallow_config

from mmfer.apis import init_model
from mmfer.inference.inferencer import open_classifier
from mmfer.inference.torch_classifier import TorchClassifier, find_device
from mmfer.inference.torch_classifier import test_steps as steps_of
from mmfer.models.heads.calibration import Calibration
from mmfer.utils.checkpoint import write_checkpoint

CLASSES = ('neutral', 'happiness', 'sadness', 'surprise', 'fear', 'disgust', 'anger')


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    return shallow_config(tmp_path_factory.mktemp('run'))


@pytest.fixture(scope='module')
def model(config):
    with pytest.warns(UserWarning, match='random weights'):
        return init_model(config)


def write(model, path, **meta):
    write_checkpoint(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=CLASSES), **meta)), path)
    return path


def test_predictions_are_those_of_the_model(config, model, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), np.uint8)
    classifier = TorchClassifier(config, write(model, tmp_path / 'a.pth'), 'cpu')
    found = classifier(images)
    assert set(found) == {'pred_score', 'pred_mean', 'pred_std', 'uncertainty', 'aleatoric', 'epistemic'}
    data = model.data_preprocessor(dict(inputs=list(torch.from_numpy(images)), data_samples=None))
    with torch.no_grad():
        samples = model(**data, mode='predict')
    for i, sample in enumerate(samples):
        for name, values in found.items():
            np.testing.assert_array_equal(values[i], sample.get(name).numpy())
    assert classifier.classes == CLASSES
    assert classifier.calibration is classifier.abstention is None
    assert classifier.source == str(tmp_path / 'a.pth')


@pytest.mark.parametrize('kind', KINDS)
def test_photos_are_prepared_as_joined_test_data(kind, config):
    part, both = config.test_dataloader.dataset, copy.deepcopy(config)
    both.test_dataloader.dataset = nested(kind, part, part)
    assert steps_of(both) == steps_of(config)
    assert len(steps_of(both)[1]) == 1
    both.test_dataloader.dataset = nested(kind, part, dict(part, pipeline=part.pipeline[1:] * 2))
    with pytest.raises(ValueError, match='test_dataloader: its 2 data sets have different pipelines'):
        steps_of(both)


def test_what_a_calibration_wrote_is_known(config, model, tmp_path):
    abstention = dict(threshold=0.7, wanted='80 % of the images answered')
    model.head.calibration = Calibration(7)
    model.head.calibration.weight.fill_(0.5)
    model.head.calibration.bias.copy_(torch.arange(7) / 10)
    path = write(model, tmp_path / 'a.pth', abstention=abstention)
    model.head.calibration = None
    classifier = TorchClassifier(config, path, 'cpu')
    assert classifier.abstention == abstention
    np.testing.assert_allclose(classifier.calibration, [[0.5] * 7, np.arange(7) / 10], rtol=1e-6)


def test_names_of_the_classes_are_as_many_as_the_classes(config, model, tmp_path):
    content = dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=('a', 'b'))))
    write_checkpoint(content, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=r'num_classes=7, but the weights of .*a.pth have 2 classes \(a, b\)'):
        TorchClassifier(config, tmp_path / 'a.pth', 'cpu')


def test_steps_of_a_config(tmp_path):
    config = shallow_config(tmp_path)
    crop, steps = steps_of(config)
    assert crop is None
    assert [step['type'].__name__ for step in steps] == ['ImageResize']
    pipeline = config.test_dataloader.dataset.pipeline
    pipeline.insert(1, dict(type='CropFace', margin=0.3))
    crop, steps = steps_of(config)
    assert crop == dict(type='CropFace', margin=0.3)
    assert len(steps) == 1
    config.face_crop = dict(type='AlignFace', size=32)
    assert steps_of(config)[0] == dict(type='AlignFace', size=32)


def test_a_crop_in_the_middle_is_refused(tmp_path):
    config = shallow_config(tmp_path)
    pipeline = config.test_dataloader.dataset.pipeline
    pipeline.insert(2, dict(type='CropFace'))
    with pytest.raises(ValueError, match='CropFace must come right after the loading .*, not behind ImageResize'):
        steps_of(config)
    pipeline[1:3] = [dict(type='AlignFace'), dict(type='CropFace')]
    with pytest.raises(ValueError, match='not behind AlignFace'):
        steps_of(config)
    pipeline[1] = dict(type='NoSuchTransform')
    with pytest.raises(ValueError, match='NoSuchTransform of the test data is not registered'):
        steps_of(config)
    pipeline[1] = dict(type='mmcv.TestTimeAug', transforms=[])
    with pytest.raises(ValueError, match="TestTimeAug makes views .* use tta='flip'"):
        steps_of(config)
    config.test_dataloader.dataset.pipeline = []
    config.val_dataloader = None
    with pytest.raises(ValueError, match='no test_dataloader with a pipeline'):
        steps_of(config)


def test_what_a_model_may_be_given_as(config, model, tmp_path, monkeypatch):
    own = ColourClassifier()
    assert open_classifier(own) is own
    path = write(model, tmp_path / 'a.pth')
    assert open_classifier(config, path, 'cpu').source == str(path)
    with pytest.raises(ValueError, match='a.pth is a checkpoint: give its config first'):
        open_classifier(path)
    with pytest.raises(ValueError, match=r"no model is named 'poster_var_sinth'; .* poster_var_synth"):
        open_classifier('poster_var_sinth')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match='poster_var_synth: there is no checkpoint'):
        open_classifier('poster_var_synth')
    with pytest.raises(FileNotFoundError, match=r'no such file: .*a\.onnx'):
        open_classifier(tmp_path / 'a.onnx')
    for options in (dict(checkpoint=path), dict(device='mps')):
        with pytest.raises(ValueError, match='holds its weights and runs on the CPU'):
            open_classifier(tmp_path / 'a.onnx', **options)
    with pytest.raises(FileNotFoundError, match='config not found'):
        open_classifier(tmp_path / 'none.py', path)


def test_devices():
    assert find_device('cpu') == torch.device('cpu')
    assert find_device().type in ('cpu', 'cuda')
    for name in ('gpu', 'cuda:99'):
        with pytest.raises(ValueError, match=f"device='{name}' cannot be used here: "):
            find_device(name)
