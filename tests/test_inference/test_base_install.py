"""A plain ``pip install mmfer`` predicts with an exported file, and says what the rest needs."""

import csv
import json

import cv2
import exports
import pytest
from base_install import base_python
from demo_model import write_face
from face_results import write_video
from processes import python

from mmfer import ExpressionInferencer
from mmfer.inference.export.write import export_onnx

HEAVY = "sorted({'torch', 'mmengine', 'mmcv', 'mmpretrain'} & {name.split('.')[0] for name in sys.modules})"


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """``m.onnx``, ``photo.png`` with a face in it, and ``film.avi`` of it."""
    folder = tmp_path_factory.mktemp('base')
    config = exports.config_of()
    export_onnx(config, exports.write(config, folder / 'm.pth', calibrated=True), folder / 'm.onnx')
    photo = cv2.imread(str(write_face(folder / 'photo.png')))
    write_video(folder / 'film.avi', [photo] * 3, size=(260, 200))
    return folder


def test_an_exported_file_predicts(folder):
    code = f"""
from mmfer.apis import ExpressionInferencer
from mmfer.faces.alignment import arcface_template
from mmfer.inference.drawing import Drawings
from mmfer.inference.film import film
from mmfer.structures.results import Face

infer = ExpressionInferencer('m.onnx', detector=None, tta='flip')
(result,) = infer('photo.png', out='faces.jsonl')
ExpressionInferencer('m.onnx', detector='haar')('photo.png')  # which takes no drawn face for one
face = Face((60, 40, 180, 160), 0.9, arcface_template(120) + [60, 40])
infer = ExpressionInferencer('m.onnx', detector=lambda image: [face], crop=dict(type='AlignFace', size=40))
found = infer('photo.png', out='faces.csv')
drawings = Drawings('drawn', cards=True, level=infer.interval)
for image, each in infer.stream_images('photo.png'):
    drawings.add(image, each)
print(film(infer, 'film.avi', out='film.mp4', save='film.jsonl'))
assert not {HEAVY}
"""
    result = base_python(code, cwd=folder)
    assert result.returncode == 0, result.stderr[-3000:]
    assert '3 frames, 3 faces' in result.stdout
    answer = json.loads((folder / 'faces.jsonl').read_text())['faces'][0]
    expected = ExpressionInferencer(folder / 'm.onnx', detector=None, tta='flip')(folder / 'photo.png')[0].faces[0]
    assert answer == expected.to_dict()
    (row,) = csv.DictReader((folder / 'faces.csv').read_text().splitlines())
    assert float(row['score']) > 0
    cards = cv2.imread(str(folder / 'drawn/photo_cards.png'))
    assert cards.std() > 10
    assert len((folder / 'film.jsonl').read_text().splitlines()) == 3


def test_the_demo_imports_nothing_of_the_training(folder, root):
    """Also where it is installed."""
    code = f"""
import runpy, sys
sys.argv = ['image_demo.py', 'm.onnx', 'photo.png', '--detector', 'haar', '--draw', 'drawn', '--cards']
try:
    runpy.run_path({str(root / 'demo/image_demo.py')!r}, run_name='__main__')
except SystemExit as end:
    print(end.code, {HEAVY})
"""
    result = python('-c', code, cwd=folder)
    assert result.stdout.rstrip().endswith('0 []'), result.stderr[-3000:]


def test_what_needs_more_says_so(folder):
    (folder / 'my.py').write_text('')
    code = """
import mmfer
from mmfer import ExpressionInferencer
from mmfer.inference.sources import build_step

def told(call, *args, **options):
    try:
        call(*args, **options)
    except ImportError as error:
        print(error)

told(getattr, mmfer, 'train')
told(getattr, mmfer, 'init_model')
told(mmfer.list_models)
told(ExpressionInferencer, 'my.py')
told(ExpressionInferencer, 'm.onnx', detector=dict(type='Mine'))
told(build_step, dict(type='Mine'))
"""
    result = base_python(code, cwd=folder)
    assert result.returncode == 0, result.stderr[-3000:]
    lines = result.stdout.splitlines()
    assert len(lines) == 6
    assert all(line.endswith("pip install 'mmfer[train]' (mmfer explain missing-extra)") for line in lines)
    assert lines[0].startswith('mmfer.train needs ')
    assert lines[3].startswith('my.py is run by PyTorch')
