import csv
import json
import os

import cv2
import numpy as np
import pytest
from demo_model import write_face, write_model

TOOL = 'demo/image_demo.py'
DETECTED = ('weights/face_detection_yunet_2023mar.onnx', 'photos/single_face.jpg')


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp('model'), threshold=0.0)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / 'photos ü'
    folder.mkdir()
    write_face(folder / 'a.png')
    write_face(folder / 'b.jpg', 1)
    (folder / 'c.jpg').write_bytes(b'no image')
    return folder


def test_a_folder_with_pictures_and_results(model, photos, tmp_path, call_tool):
    out = tmp_path / 'drawn'
    code, told, errors = call_tool(
        TOOL, *model, photos, '--detector', 'none', '--draw', out, '--cards', '--out', tmp_path / 'r.csv'
    )
    assert code == 1
    error, count = errors.splitlines()[-2:]
    assert error.startswith(f'error: cannot decode the image file {photos}/c.jpg')
    assert count == '1 of the inputs could not be read'
    assert [line.split()[0] for line in told.splitlines()[2:5]] == ['a.png', 'b.jpg', 'c.jpg']
    assert told.count('abstains') == 2
    assert f'written to {out}' in told
    assert sorted(path.name for path in out.iterdir()) == ['a.png', 'a_cards.png', 'b.png', 'b_cards.png']
    drawn, plain = cv2.imread(str(out / 'a.png')), cv2.imread(str(photos / 'a.png'))
    assert drawn.shape == plain.shape
    assert (drawn != plain).any()
    with open(tmp_path / 'r.csv', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    assert [row['abstain'] for row in rows] == ['True', 'True', '']
    assert 'no image' in rows[2]['error']


def test_json_lines_without_a_picture(model, photos, tmp_path, call_tool):
    arguments = (TOOL, *model, photos / 'a.png', photos / 'a.png', '--out', tmp_path / 'r.jsonl')
    code, told, _ = call_tool(*arguments, '--detector', 'haar', '--threshold', 'none', '--crop', '0.3')
    assert code == 0
    assert 'abstains' not in told
    lines = [json.loads(line) for line in (tmp_path / 'r.jsonl').read_text().splitlines()]
    assert [line['source'] for line in lines] == [str(photos / 'a.png')] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ['photos ü', 'r.jsonl']


def test_the_detector_by_its_path(model, call_tool, root):
    weights, photo = (root.parent / 'shared' / name for name in DETECTED)
    if not (weights.is_file() and photo.is_file()):
        pytest.skip(f'needs ../shared with {" and ".join(DETECTED)}')
    code, told, errors = call_tool(TOOL, *model, photo, '--detector', weights)
    assert (code, told.count('single_face.jpg')) == (0, 1), errors


def test_pictures_of_the_same_name_and_of_long_names(model, tmp_path, call_tool):
    (tmp_path / 'x').mkdir()
    (tmp_path / 'y').mkdir()
    long = 'ü' * 120
    for path in ('x/a.png', 'y/a.png', f'x/{long}.png', 'y/a\nb.png'):
        write_face(tmp_path / path)
    code, told, _ = call_tool(
        TOOL, *model, tmp_path / 'x', tmp_path / 'y', '--draw', tmp_path / 'out', '--detector', 'none', '--cards'
    )
    assert code == 0
    names = {path.name for path in (tmp_path / 'out').iterdir()}
    assert {'a.png', 'a_cards.png', 'a_2.png', 'a_2_cards.png'} < names
    assert len(names) == 8
    assert all(len(os.fsencode(name)) < 256 for name in names)
    assert 'a\\nb.png' in told


def test_stopped_by_the_user_it_keeps_what_there_is(model, photos, tmp_path, call_tool, monkeypatch):
    from mmfer.inference.inferencer import ExpressionInferencer

    whole = ExpressionInferencer.stream_images

    def stopped(self, *args, **kwargs):
        yield next(whole(self, *args, **kwargs))
        raise KeyboardInterrupt

    monkeypatch.setattr(ExpressionInferencer, 'stream_images', stopped)
    code, told, errors = call_tool(TOOL, *model, photos, '--detector', 'none', '--out', tmp_path / 'r.jsonl')
    assert code == 130
    assert errors.splitlines()[-1] == 'error: stopped by Ctrl-C: these are the results until then'
    assert len((tmp_path / 'r.jsonl').read_text().splitlines()) == 1
    assert 'a.png' in told


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('{config}', '{checkpoint}'), 'names a model, but no image'),
        (('{config}', '{checkpoint}', 'x.jpg', '--cards'), '--cards are pictures: name their folder with --draw'),
        (('{config}', '{checkpoint}', 'x.jpg', '--out', 'r.txt'), 'ends in .jsonl, .csv or .parquet'),
        (('{config}', '{checkpoint}', 'x.jpg', '--draw', '{config}'), 'is a file, not a folder for pictures'),
        (('{config}', '{checkpoint}', 'x.jpg', '--device', 'gpu'), "device='gpu' cannot be used here"),
        (('{config}', 'none.pth', 'x.jpg'), 'checkpoint not found: none.pth'),
        (('{config}', '{broken}', 'x.jpg'), 'broken.pth is not a checkpoint'),
    ],
)
def test_mistakes_are_told_in_a_line(arguments, message, model, tmp_path, call_tool, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'broken.pth').write_bytes(b'damaged')
    names = dict(config=model[0], checkpoint=model[1], broken=tmp_path / 'broken.pth')
    arguments = [argument.format(**names) for argument in arguments]
    if '--detector' not in arguments:
        arguments += ['--detector', 'haar']
    code, _, errors = call_tool(TOOL, *arguments)
    assert code == 1
    (line,) = (line for line in errors.splitlines() if line.startswith('error: '))
    assert message in line
    assert 'Traceback' not in errors
    assert errors.splitlines()[-1] == line
    assert [path.name for path in tmp_path.iterdir()] == ['broken.pth']


def test_names_that_are_no_text_are_shown(model, tmp_path, call_tool):
    if os.name != 'posix':
        pytest.skip('file names are bytes on POSIX systems only')
    path = os.fsdecode(bytes(tmp_path) + b'/\xff.png')
    with open(path, 'wb') as file:
        file.write(cv2.imencode('.png', np.zeros((40, 40, 3), np.uint8))[1].tobytes())
    arguments = ('--detector', 'none', '--out', tmp_path / 'r.csv', '--draw', tmp_path / 'out')
    code, told, _ = call_tool(TOOL, *model, path, *arguments)
    assert code == 0
    assert '\\udcff.png' in told
    assert os.listdir(os.fsencode(tmp_path / 'out')) == [b'\xff.png']
