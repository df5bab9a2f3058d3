import hashlib
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from processes import python

import mmfer
from mmfer import weights
from mmfer.inference.inferencer import open_classifier
from mmfer.inference.onnx import OnnxClassifier
from mmfer.weights import DEFAULT, SUMS, shipped_file

FOLDER = Path(weights.__file__).parent


def test_all_files_are_listed_and_small():
    listed = {line.split()[1]: line.split()[0] for line in (FOLDER / SUMS).read_text().splitlines()}
    files = {path.name: path for path in FOLDER.iterdir() if path.suffix in ('.onnx', '.safetensors')}
    assert set(files) == set(listed) == {f'{DEFAULT}.onnx', f'{DEFAULT}.safetensors'}
    assert sum(path.stat().st_size for path in files.values()) <= 8e6
    for name, path in files.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == listed[name]


def test_a_changed_file_is_refused(tmp_path, monkeypatch):
    for path in FOLDER.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    monkeypatch.setattr(weights, '__file__', str(tmp_path / '__init__.py'))
    assert shipped_file(DEFAULT, '.onnx') == tmp_path / f'{DEFAULT}.onnx'
    assert shipped_file('poster_var_raf', '.onnx') is None
    with open(tmp_path / f'{DEFAULT}.onnx', 'ab') as file:
        file.write(b'x')
    with pytest.raises(ValueError, match=r'is missing, damaged or changed \(SHA-256\). Install mmfer again'):
        open_classifier(None)


def test_the_exported_file_says_all_that_a_user_needs():
    model = OnnxClassifier(shipped_file(DEFAULT, '.onnx'))
    assert model.classes[:3] == ('neutral', 'happiness', 'surprise')
    assert model.size == (48, 48)
    assert model.calibration is not None
    assert model.abstention['threshold'] > 0
    assert [step['type'] for step in model.pipeline] == ['ImageResize']
    assert model.face_crop == dict(type='CropFace', margin=0.0)
    card = model.metadata['card']
    assert {'licence', 'training_data', 'figures', 'not_for', 'version'} <= set(card)


def test_exported_file_and_weights_agree(monkeypatch):
    torch = pytest.importorskip('torch')
    model = mmfer.get_model(DEFAULT)
    assert model.classes == open_classifier(None).classes
    faces = np.random.default_rng(0).integers(0, 256, (5, 3, 48, 48), dtype=np.uint8)
    found = open_classifier(None)(faces)
    data = model.data_preprocessor(dict(inputs=torch.from_numpy(faces), data_samples=None))
    with torch.no_grad():
        samples = model(data['inputs'], mode='predict')
    scores = np.stack([sample.pred_score.numpy() for sample in samples])
    np.testing.assert_allclose(found['pred_score'], scores, atol=1e-5)
    assert model.abstention['threshold'] == pytest.approx(open_classifier(None).abstention['threshold'])


def test_it_is_tested_calibrated_and_exported_by_its_name(tmp_path, monkeypatch):
    pytest.importorskip('torch')
    pytest.importorskip('onnx')
    from mmfer.apis import calibrate, evaluate, load_config
    from mmfer.inference.export.write import export_onnx, export_weights

    monkeypatch.chdir(tmp_path)
    config = load_config('poster_var/ferplus_small_refit')
    for loader, split in ((config.val_dataloader, 'val'), (config.test_dataloader, 'test')):
        drawn = dict(type='SynthFER', split=split, num_samples=40, num_classes=8, size=48)
        loader.dataset = dict(drawn, pipeline=loader.dataset.pipeline, test_mode=True)
    config.test_evaluator = config.val_evaluator
    assert 0 <= evaluate(config, DEFAULT, work_dir='work')['accuracy'] <= 100
    calibrate(config, DEFAULT, method='temperature')
    assert mmfer.init_model(config, f'{DEFAULT}_calibrated.pth').classes == open_classifier(None).classes
    export_onnx(config, DEFAULT, 'again.onnx')
    assert OnnxClassifier('again.onnx').classes == open_classifier(None).classes
    export_weights(DEFAULT, 'again.safetensors')
    assert mmfer.init_model(config, 'again.safetensors').classes == open_classifier(None).classes


def test_without_a_model_the_shipped_one_answers(tmp_path, monkeypatch):
    path = tmp_path / 'grey.png'
    cv2.imwrite(str(path), np.full((120, 100), 128, np.uint8))
    (result,) = mmfer.ExpressionInferencer(detector='haar')(str(path))
    assert result.faces == ()
    assert repr(result) == f'{path}: no face found'
    monkeypatch.setattr('mmfer.inference.inferencer._open_torch', lambda *model: model)
    for model in (None, DEFAULT):  # where PyTorch runs it, whatever was trained in the present folder
        assert open_classifier(model, device='mps')[1:] == (DEFAULT, 'mps')
    by_name = mmfer.ExpressionInferencer(DEFAULT, detector=None)(str(path))
    assert by_name[0].faces[0].classes == open_classifier(None).classes


def test_the_answer_stays_under_small_changes_of_the_box():
    """Crops as detectors give them: the box some pixels off, a little larger or smaller."""
    from mmfer.datasets import SynthFER

    inferencer = mmfer.ExpressionInferencer(detector=None, interval=None)
    faces = SynthFER(split='test', num_samples=12, size=96, serialize_data=False)
    differences = []
    for i in range(12):
        image = cv2.copyMakeBorder(faces[i]['img'], 16, 16, 16, 16, cv2.BORDER_REPLICATE)
        crops = [image[16 + dy : 112 + dy, 16 + dx : 112 + dx] for dx, dy in ((0, 0), (3, 0), (-3, 2), (0, -3))]
        crops.append(image[12:116, 12:116])
        scores = np.stack([result.scores for result in inferencer.predict(crops, channels='bgr')])
        differences.append(np.abs(scores[1:] - scores[0]).sum(1).mean() / 2)
    assert np.mean(differences) < 0.2  # total variation; drawn faces are no photos, on which it is less


def test_it_answers_without_pytorch(tmp_path):
    path = tmp_path / 'grey.png'
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (90, 80, 3), dtype=np.uint8))
    code = (
        'import sys\n'
        'for name in ("torch", "mmengine", "mmcv", "mmpretrain", "yaml"):\n'
        '    sys.modules[name] = None\n'
        'from mmfer.cli import main\n'
        f'sys.exit(main(["predict", {str(path)!r}, "--detector", "none"]))'
    )
    done = python('-c', code)
    assert done.returncode == 0, done.stderr
    assert 'grey.png' in done.stdout


def test_checkpoint_without_a_model():
    with pytest.raises(ValueError, match='checkpoint=a.pth without a model. Give its config first'):
        mmfer.ExpressionInferencer(checkpoint='a.pth')
