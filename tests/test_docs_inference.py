"""docs/inference.md: its code runs as it stands, one block after the other, and its commands are understood."""

import re
import shlex
import shutil

import book
import cv2
import numpy as np
import pytest
from demo_model import write_face, write_model
from face_results import write_video
from processes import ROOT

from mmfer.cli import main
from mmfer.cli.predict import split_words
from mmfer.structures.results import Face, FaceResult, ImageResult

PAGE = (ROOT / 'docs/inference.md').read_text()
BLOCKS = book.blocks('inference.md')
COMMANDS = [shlex.join(words) for block in BLOCKS for words in block.commands]
TABLES = re.findall(r'^\| `(\w+)`(?:, `(\w+)`)? \|', PAGE, flags=re.MULTILINE)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """What the page takes for granted: a trained model, a photo, a folder of photos, a video."""
    shutil.copytree(ROOT / 'configs/poster_var', tmp_path / 'configs/poster_var')
    config, checkpoint = write_model(tmp_path, threshold=1.0)
    shutil.copy(config, tmp_path / 'configs/poster_var/raf.py')
    (tmp_path / 'work_dirs/poster_var/raf').mkdir(parents=True)
    shutil.move(checkpoint, tmp_path / 'work_dirs/poster_var/raf/epoch_300.pth')
    (tmp_path / 'holiday').mkdir()
    image = cv2.imread(str(write_face(tmp_path / 'photo.jpg')))
    write_face(tmp_path / 'holiday/a.png', 1)
    (tmp_path / 'holiday/b.jpg').write_bytes(b'no image')
    write_video(tmp_path / 'video.mp4', [image] * 5, size=(260, 200), code='mp4v')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('MMFER_CONFIGS', str(tmp_path / 'configs'))
    return tmp_path


def found_face(image):
    """A face with landmarks, as YuNet finds them."""
    points = np.array([(100, 90), (140, 90), (120, 110), (105, 130), (135, 130)], np.float32)
    return [Face((60.0, 40.0, 180.0, 160.0), 0.9, points)]


def test_the_code_runs(folder, monkeypatch, capsys):
    for module in ('mmfer.inference.inferencer', 'mmfer.faces.detectors'):
        monkeypatch.setattr(f'{module}.build_detector', lambda detector: found_face)
    names = dict(image=cv2.imread('photo.jpg'))
    for block in BLOCKS:
        if block.kind == 'python':
            exec(compile(block.text, 'docs/inference.md', 'exec'), names)
    told = capsys.readouterr().out
    assert names['inferencer'].threshold == 1.0
    assert 'holiday/b.jpg cannot decode the image file holiday/b.jpg (8 bytes): damaged, or no image' in told
    assert "RAF-DB {'Accuracy': 92.76} reported by the paper" in told
    assert len((folder / 'results.csv').read_text().splitlines()) == 4
    assert len((folder / 'results.jsonl').read_text().splitlines()) == 2
    assert names['model'].classes == names['inferencer'].classes
    assert names['aligned'].shape == (224, 224, 3)
    assert names['first'].label in names['model'].classes


def test_the_fields_are_all_there():
    told = {name for row in TABLES for name in row if name}
    own = {*FaceResult.__dataclass_fields__, 'score'} - {'classes'}
    assert own <= told, own - told
    for name in ImageResult.__dataclass_fields__:
        assert f'`{name}`' in PAGE
    assert set(re.findall(r'(\w+)=', re.search(r'`ExpressionInferencer\(model.*?\)`', PAGE)[0])) >= {
        'detector',
        'crop',
        'batch_size',
        'threshold',
        'interval',
        'half_life',
    }


@pytest.mark.parametrize('command', [line for line in COMMANDS if line.startswith('mmfer predict')])
def test_the_commands_are_understood(command, monkeypatch):
    told = []
    monkeypatch.setattr('mmfer.cli.predict.run', told.append)
    assert main(shlex.split(command)[1:]) == 0
    model, _, inputs = split_words(told[0].inputs)
    assert model in (None, 'poster_var/raf', 'model.onnx')
    assert inputs
