import json
import pickle

import exports
import numpy as np
import onnx
import pytest
import torch

from mmfer.apis import evaluate
from mmfer.datasets import SynthFER
from mmfer.faces.detectors import whole_image
from mmfer.inference.export.write import export_onnx
from mmfer.inference.inferencer import ExpressionInferencer, open_classifier
from mmfer.inference.onnx import OnnxClassifier
from mmfer.inference.torch_classifier import TorchClassifier
from mmfer.models import FERDataPreprocessor
from mmfer.utils.views import VIEWS


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    """Config, checkpoint and exported file of a calibrated model that abstains."""
    folder, config = tmp_path_factory.mktemp('model'), exports.config_of()
    checkpoint = exports.write(config, folder / 'a.pth', calibrated=True, abstention=exports.ABSTENTION)
    export_onnx(config, checkpoint, folder / 'a.onnx')
    return config, checkpoint, folder / 'a.onnx'


def pixels(batch, size=32):
    return np.random.default_rng(0).integers(0, 256, (batch, 3, size, size), np.uint8)


def test_it_answers_as_pytorch_does(model):
    config, checkpoint, path = model
    own, original = OnnxClassifier(path), TorchClassifier(config, checkpoint, 'cpu')
    assert own.face_crop is original.face_crop is None
    assert own.classes == original.classes == exports.CLASSES
    assert own.abstention['threshold'] == original.abstention['threshold'] == 1.2
    assert own.size == (32, 32)
    assert own.source == str(path)
    for mine, theirs in zip(own.calibration, original.calibration):
        np.testing.assert_array_equal(mine, theirs)
    for batch in (1, 5):
        mine, theirs = own(pixels(batch)), original(pixels(batch))
        assert set(mine) == set(theirs)
        for name, value in theirs.items():
            np.testing.assert_allclose(mine[name], value, rtol=0, atol=1e-5, err_msg=name)


@pytest.mark.parametrize('to_rgb', [True, False])
def test_the_network_sees_what_it_sees_in_training(to_rgb, tmp_path):
    """Bit by bit, in either order of the channels."""
    config = exports.config_of()
    options = dict(mean=(1.5, 100.0, 30.25), std=(10.0, 20.0, 57.375), to_rgb=to_rgb)
    config.model.data_preprocessor.update(options)
    export_onnx(config, exports.write(config, tmp_path / 'a.pth'), tmp_path / 'a.onnx')
    own = OnnxClassifier(tmp_path / 'a.onnx')
    assert own.metadata['input']['channel_order'] == ('RGB' if to_rgb else 'BGR')
    expected = FERDataPreprocessor(**options).normalise(torch.from_numpy(pixels(3)))
    assert torch.equal(torch.from_numpy(own.normalise(pixels(3))), expected)


def test_a_photo_by_either_model(model):
    """All of the inferencer's answer, from the pipeline to the threshold."""
    config, checkpoint, path = model
    drawn = SynthFER(split='test', num_samples=66, size=50)
    images = [drawn[i]['img'] for i in range(3)]
    for detector in (None, whole_image):
        by_torch = ExpressionInferencer(config, checkpoint, 'cpu', detector)(images, 'bgr')
        by_onnx = ExpressionInferencer(path, detector=detector)(images, 'bgr')
        for one, other in zip(by_torch, by_onnx):
            one, other = one.faces[0], other.faces[0]
            assert one.abstain == other.abstain
            assert one.label == other.label
            for name in ('scores', 'mean', 'std', 'uncertainty', 'score_low', 'score_high'):
                np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=0, atol=1e-4, err_msg=name)


def test_wrong_images(model):
    own = OnnxClassifier(model[2], threads=1)
    for images, text in (
        (pixels(1).astype(np.float32), 'float32'),
        ([1, 2], 'list'),
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), 'Tensor'),
    ):
        with pytest.raises(TypeError, match=f'uint8, 0..255, in BGR order, not {text}'):
            own(images)
    for images in (pixels(1)[0], pixels(1, 33), pixels(1).transpose(0, 2, 3, 1), pixels(0)):
        with pytest.raises(ValueError, match=r'images must be \(B, 3, 32, 32\), not'):
            own(images)


def test_damaged_and_foreign_files(model, tmp_path):
    path = tmp_path / 'b.onnx'
    with pytest.raises(FileNotFoundError, match=r'no such file: .*b\.onnx \(expected a file written by mmfer export'):
        OnnxClassifier(path)
    with pytest.raises(FileNotFoundError):
        OnnxClassifier(tmp_path)
    whole = model[2].read_bytes()
    for content in (b'', b'{"a": 1}', whole[: len(whole) // 2], whole[300:]):
        path.write_bytes(content)
        with pytest.raises(
            ValueError, match=r'b\.onnx (is no ONNX model that onnxruntime can load|is an ONNX model, but)'
        ):
            OnnxClassifier(path)
    file = onnx.load(str(model[2]))
    del file.metadata_props[:]
    onnx.save(file, str(path))
    with pytest.raises(ValueError, match='none of mmfer: it has no description; expected a file written by'):
        OnnxClassifier(path)


CHANGES = {
    'no json': 'nothing',
    'a list': '[1]',
    'no classes': dict(classes=None),
    'too few names': dict(classes=['a']),
    'another size': dict(input=dict(size=[64, 64])),
    'another order': dict(input=dict(channel_order='GRB')),
    'no deviation': dict(input=dict(std=[0, 1, 1])),
    'a mean of two': dict(input=dict(mean=[0, 1])),
    'no threshold': dict(abstention=dict(threshold='high')),
    'no number': dict(abstention=dict(threshold=float('nan'))),
    'sets of three': dict(sets=dict(method='aps', threshold=[0.5] * 3)),
    'a calibration': dict(calibration=dict(weight=[1])),
    'a module': dict(pipeline=[dict(type='os.system', command='true')]),
    'a module within': dict(pipeline=[dict(type='TwoViews', transforms=[dict(type='subprocess.run')])]),
    'a crop of a module': dict(face_crop=dict(type='os.system')),
}


@pytest.mark.parametrize('change', CHANGES)
def test_damaged_descriptions(change, model, tmp_path):
    file, change = onnx.load(str(model[2])), CHANGES[change]
    entry = next(entry for entry in file.metadata_props if entry.key == 'mmfer')
    if isinstance(change, dict):
        said = json.loads(entry.value)
        for key, value in change.items():
            said[key] = dict(said[key], **value) if key == 'input' else value
        change = json.dumps(said)
    entry.value = change
    onnx.save(file, str(tmp_path / 'b.onnx'))
    with pytest.raises(ValueError, match=r'b\.onnx: its description is damaged \(.*expected a file written by'):
        OnnxClassifier(tmp_path / 'b.onnx')


def test_threads(model):
    assert OnnxClassifier(model[2], threads=1).session.get_session_options().intra_op_num_threads == 1
    with pytest.raises(ValueError, match='threads=0: 1 or more'):
        OnnxClassifier(model[2], threads=0)


def test_a_size_of_the_batch_that_never_changes(model):
    own = OnnxClassifier(model[2], batch=2)
    for name, value in OnnxClassifier(model[2])(pixels(2)).items():
        np.testing.assert_allclose(own(pixels(2))[name], value, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r'images must be \(2, 3, 32, 32\), not \(3, 3'):
        own(pixels(3))


@pytest.mark.parametrize('tta', VIEWS)
def test_views_are_merged_as_in_pytorch_and_in_tests(tta, model, tmp_path):
    """A calibrated VICH: the exported file, the checkpoint, and mmfer test on the same faces."""
    config, checkpoint, path = model
    out = tmp_path / 'out.json'
    evaluate(config, checkpoint, out=out, work_dir=tmp_path, tta=tta)
    expected = json.loads(out.read_text())['predictions']
    faces = SynthFER(split='test', num_samples=len(expected), size=32)
    images = [faces[i]['img'] for i in range(len(expected))]
    answers = [
        ExpressionInferencer(config, checkpoint, 'cpu', None, tta=tta).predict(images, 'bgr'),
        ExpressionInferencer(path, detector=None, tta=tta).predict(images, 'bgr'),
    ]
    for by_test, by_torch, by_onnx in zip(expected, *answers):
        assert by_torch.label == by_onnx.label == exports.CLASSES[by_test['pred_label']]
        for name in ('score', 'mean', 'std', 'uncertainty', 'aleatoric', 'epistemic'):
            values = [getattr(face, 'scores' if name == 'score' else name) for face in (by_torch, by_onnx)]
            wanted = by_test[f'pred_{name}' if name in ('score', 'mean', 'std') else name]
            for value in values:
                np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-5, err_msg=name)


def test_a_gpu_is_used_where_onnxruntime_has_one(monkeypatch):
    """Of an onnxruntime for the CPU, which is made to believe that it has CUDA."""
    import onnxruntime

    from mmfer.weights import DEFAULT, shipped_file

    path = shipped_file(DEFAULT, '.onnx')
    if 'CUDAExecutionProvider' not in onnxruntime.get_available_providers():
        with pytest.raises(ValueError, match='GPU 1: onnxruntime lacks CUDA. pip install onnxruntime-gpu'):
            open_classifier(path, device='cuda:1')
    session, asked = onnxruntime.InferenceSession, []

    class Session:
        def __init__(self, path, options, providers):
            asked.append(providers)
            self.own = session(path, options, providers[-1:])

        def get_providers(self):
            return ['CUDAExecutionProvider', 'CPUExecutionProvider']

        def __getattr__(self, name):
            return getattr(self.own, name)

    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: ['CUDAExecutionProvider'])
    monkeypatch.setattr(onnxruntime, 'InferenceSession', Session)
    for model in (path, None):
        assert open_classifier(model, device='cuda:1').source == str(path)
    pickle.loads(pickle.dumps(open_classifier(path, device='cuda')))
    assert [providers[0] for providers in asked] == [('CUDAExecutionProvider', dict(device_id=n)) for n in '1100']
