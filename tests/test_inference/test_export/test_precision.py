import json
import sys
from dataclasses import replace

import exports
import numpy as np
import onnx
import pytest

from mmfer import ExpressionInferencer
from mmfer.cli import main
from mmfer.datasets import SynthFER
from mmfer.inference.export import precision as lowering
from mmfer.inference.export.validation import answer, differences, open_faces
from mmfer.inference.export.write import export_onnx
from mmfer.inference.onnx import OnnxClassifier


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    """Config and checkpoint of a calibrated model that abstains."""
    config = exports.config_of()
    path = tmp_path_factory.mktemp('model') / 'a.pth'
    return config, exports.write(config, path, calibrated=True, abstention=exports.ABSTENTION)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize('precision', ['float16', 'int8'])
def test_round_trip(precision, model, tmp_path):
    config, checkpoint = model
    report = export_onnx(config, checkpoint, tmp_path / 'a.onnx', precision=precision, max_drop=50)
    export_onnx(config, checkpoint, tmp_path / 'b.onnx')
    assert files(tmp_path) == ['a.onnx', 'b.onnx']
    entries = {entry.key: entry.value for entry in onnx.load(str(tmp_path / 'a.onnx')).metadata_props}
    about = json.loads(entries['mmfer'])
    assert about == report.description
    assert about['precision'] == precision
    found = about['comparison']
    faces = open_faces(config, None, 'val')
    exact, other = (answer(tmp_path / name, faces) for name in ('b.onnx', 'a.onnx'))
    assert found['accuracy'] == {'float32': exact.accuracy, precision: other.accuracy}
    assert {name: found[name] for name in ('changed', 'probs', 'uncertainty', 'bounds')} == differences(exact, other)
    assert 0 < found['probs']['largest'] < 0.05
    assert (found['images'], found['max_drop']) == (14, 50)
    assert found['data'] == faces.metainfo['protocol']
    if precision == 'int8':
        assert (found['calibration_images'], found['float_parts']) == (28, [])
    plain = OnnxClassifier(tmp_path / 'b.onnx').metadata
    assert (plain['precision'], plain['comparison']) == ('float32', None)
    same = [key for key in plain if key not in ('precision', 'comparison')]
    assert {key: about[key] for key in same} == {key: plain[key] for key in same}
    answers = ExpressionInferencer(tmp_path / 'a.onnx', detector=None).predict([faces[0]['img']], 'bgr')
    np.testing.assert_allclose(answers[0].scores, other.scores[0], atol=1e-6)
    assert f'difference of {precision} to float32' in str(report)
    assert f'of the 14 images ({found["data"]})' in str(report)


class Faces(list):
    metainfo = dict(classes=exports.CLASSES, protocol='drawn faces')


def test_what_stays_in_float(tmp_path, monkeypatch):
    """The one part that 8 bits spoil goes back to float32, and the accuracy with it."""
    config = exports.config_of()
    checkpoint = exports.spoil(exports.write(config, tmp_path / 'a.pth'))
    export_onnx(config, checkpoint, tmp_path / 'a.onnx')
    drawn = SynthFER(split='test', num_samples=120, size=32)
    images = [drawn[i]['img'] for i in range(120)]
    float32 = ExpressionInferencer(tmp_path / 'a.onnx', detector=None)
    labels = [face.label for face in float32.predict(images, 'bgr')]
    assert len(set(labels)) > 1
    faces = Faces(dict(img=img, gt_label=exports.CLASSES.index(label)) for img, label in zip(images, labels))
    monkeypatch.setattr(lowering, 'open_faces', lambda *arguments: faces)
    all_in_8_bits = export_onnx(config, checkpoint, tmp_path / 'b.onnx', precision='int8', max_drop=99)
    assert all_in_8_bits.description['comparison']['float_parts'] == []
    drop = 100 - all_in_8_bits.description['comparison']['accuracy']['int8']
    assert drop > 2
    report = export_onnx(config, checkpoint, tmp_path / 'b.onnx', precision='int8', max_drop=drop / 2)
    found = report.description['comparison']
    assert found['float_parts'] == [exports.BLOCK]
    assert found['accuracy']['float32'] == 100
    assert found['accuracy']['int8'] >= 100 - drop / 2
    assert f'in float32 stay the head and 1 of {found["parts"]} parts: {exports.BLOCK}' in str(report)


@pytest.mark.parametrize('precision', ['float16', 'int8'])
def test_a_file_that_falls_too_far_is_not_written(precision, model, tmp_path, monkeypatch):
    def worse(path, *arguments):
        found = answer(path, *arguments)
        shift = 0 if path.name.endswith('.part') else 1
        return replace(found, target=found.scores.argmax(1) + shift)

    old = tmp_path / 'a.onnx'
    old.write_bytes(b'what was there')
    monkeypatch.setattr(lowering, 'answer', worse)
    text = r'falls from 100\.00 to 0\.00 %.*, and 0\.3 points are allowed\. Allow more \(--max-drop\)'
    with pytest.raises(ValueError, match=f'{precision} is not written: the accuracy on .* {text}'):
        export_onnx(*model, old, precision=precision)
    assert files(tmp_path) == ['a.onnx']
    assert old.read_bytes() == b'what was there'


def test_arguments_that_do_not_fit(model, tmp_path, monkeypatch):
    out = tmp_path / 'a.onnx'
    with pytest.raises(ValueError, match="precision='int4': float32, float16, int8"):
        export_onnx(*model, out, precision='int4')
    for options in (dict(data='poster_var/synth'), dict(max_drop=1.0)):
        with pytest.raises(ValueError, match=r'data and max_drop are of float16 and int8, .* \(--precision\)'):
            export_onnx(*model, out, **options)
    for drop in (-0.1, 100, float('nan')):
        with pytest.raises(ValueError, match=rf'max_drop={drop}: percentage points from 0 on'):
            export_onnx(*model, out, precision='int8', max_drop=drop)
    with pytest.raises(FileNotFoundError):
        export_onnx(*model, out, precision='int8', data=tmp_path / 'none.py')
    monkeypatch.setitem(sys.modules, 'onnx', None)
    with pytest.raises(ImportError, match=r"pip install 'mmfer\[deploy\]'"):
        export_onnx(*model, out, precision='int8')
    assert files(tmp_path) == []


def test_the_command(model, tmp_path, capsys):
    config, checkpoint = model
    config.dump(tmp_path / 'config.py')
    names = [str(tmp_path / 'config.py'), str(checkpoint), str(tmp_path / 'a.onnx')]
    options = ['--precision', 'int8', '--data', names[0], '--max-drop', '50']
    assert main(['export', *names, *options]) == 0
    assert 'difference of int8 to float32' in capsys.readouterr().out
    assert OnnxClassifier(names[2]).metadata['precision'] == 'int8'
    assert main(['export', *names, '--max-drop', '1']) == 1
    assert '--precision' in capsys.readouterr().err
