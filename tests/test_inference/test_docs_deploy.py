"""What docs/deploy.md shows runs as it stands."""

import book
import cv2
import exports
import numpy as np
import pytest
from processes import ROOT, python

from mmfer.inference.export.write import export_onnx, export_program
from mmfer.inference.onnx import OnnxClassifier

TEXT = (ROOT / 'docs/deploy.md').read_text()
BLOCKS = [block.text for block in book.blocks('deploy.md') if block.kind == 'python']
BLOCK = 'import sys\nfor name in {names}:\n    sys.modules[name] = None\n'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """model.onnx, model.pt2 and face.png, of the size that they take."""
    path, config = tmp_path_factory.mktemp('docs'), exports.config_of()
    checkpoint = exports.write(config, path / 'a.pth', abstention=dict(threshold=0.0))
    export_onnx(config, checkpoint, path / 'model.onnx')
    export_program(config, checkpoint, path / 'model.pt2')
    cv2.imwrite(str(path / 'face.png'), np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    return path


def run(folder, word, *blocked):
    """The block that holds ``word``, run where the named packages are not there; what it prints."""
    (block,) = (block for block in BLOCKS if word in block)
    (folder / 'shown.py').write_text(BLOCK.format(names=blocked) + block)
    result = python(folder / 'shown.py', cwd=folder)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def test_with_onnxruntime_alone(folder):
    output = run(folder, 'get_modelmeta', 'torch', 'mmfer', 'mmengine', 'mmcv', 'mmpretrain')
    face = cv2.imread(str(folder / 'face.png')).transpose(2, 0, 1)[None]
    scores = OnnxClassifier(folder / 'model.onnx')(np.ascontiguousarray(face))['pred_score'][0]
    expected = [f'{name:12} {score:.3f}' for name, score in zip(exports.CLASSES, scores)]
    assert output.splitlines() == [*expected, 'too uncertain to answer']


def test_a_program(folder):
    assert run(folder, 'torch.export.load', 'mmfer', 'mmengine', 'mmpretrain').startswith('tensor([[')


def test_with_mmfer(folder):
    answer = run(folder, 'ExpressionInferencer', 'mmpretrain')
    assert "'abstain': True" in answer
    assert '[[' in run(folder, 'model = OnnxClassifier', 'mmpretrain')


def test_the_metadata_is_described_in_full(folder):
    about = OnnxClassifier(folder / 'model.onnx').metadata
    section = TEXT.split('## What is in the file')[1].split('\n## ')[0]
    assert [key for key in about if f'`{key}`' not in section] == []
    assert [name for name in about['outputs'] if f'`{name}`' not in section] == []
