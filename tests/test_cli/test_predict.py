"""What `mmfer predict` answers by the shipped model."""

import cv2
import numpy as np
import pytest
from face_results import write_video

from mmfer.cli import main
from mmfer.cli.predict import split_words

IMAGE = np.random.default_rng(0).integers(0, 256, (60, 50, 3), dtype=np.uint8)


def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), IMAGE)
    return path


def predict(capsys, *words):
    code = main(['predict', *map(str, words), '--detector', 'none'])
    return code, *capsys.readouterr()


def test_without_a_model(tmp_path, capsys):
    code, told, errors = predict(capsys, write(tmp_path / 'a [red].png'))
    assert (code, errors) == (0, '')
    assert 'a [red].png' in told


def test_names_that_are_alike_are_told_apart(tmp_path, capsys):
    files = [write(tmp_path / folder / 'p.png') for folder in ('a', 'b')]
    _, told, _ = predict(capsys, *files)
    assert all(str(file) in told for file in files)
    _, told, _ = predict(capsys, files[0])
    assert str(files[0]) not in told


@pytest.mark.parametrize('looked_at', ['folder', 'file'])
def test_drawings_never_replace_what_is_looked_at(looked_at, tmp_path, capsys):
    path = write(tmp_path / 'in/p.png')
    before = path.read_bytes()
    code, _, errors = predict(capsys, path.parent if looked_at == 'folder' else path, '--draw', path.parent)
    assert code == 1
    assert 'holds images that are looked at. Name another folder for the drawings' in errors
    assert path.read_bytes() == before


def test_a_drawn_video_never_replaces_the_video(tmp_path, capsys):
    path = tmp_path / 'v.mp4'
    path.write_bytes(b'x')
    code, _, errors = predict(capsys, path, '--draw', path)
    assert code == 1
    assert 'is the video that is looked at. Name another file' in errors
    assert path.read_bytes() == b'x'


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ('p.png --stride 2', '--stride is for videos, and p.png is none by its name: leave it out'),
        ('p.png --half-life nan', '--half-life is for videos'),
        ('p.png --speed fast', '--speed is for videos'),
        ('p.png q.png --show', '--show is for videos, and p.png is none by its name: leave it out, and name a folder'),
        ('. p.png --show', '--draw FILE.mp4 and --show are for one video at a time, not 2 inputs'),
        ('v.mp4 --cards', '--cards are drawn of photos, not of videos: leave it out'),
        ('p.png --out r.csv --shard 9', '--jobs, --part, --shard and --no-resume are for shards: name their folder'),
        ('p.png --no-resume', '--jobs, --part, --shard and --no-resume are for shards'),
        ('p.png --draw d.png', '--draw d.png: name a folder, into which each photo is drawn'),
        ('p.png q.png --draw d.avi', '--draw d.avi: name a folder'),
        ('p.png --crop 0.1', '--crop cuts out the faces that a detector finds: without one, leave it out'),
        (
            'p.png --crop 5',
            "--crop 5: expected a margin from -0.25, half the box's width, to 1, three times it, or align",
        ),
        ('p.png --crop nan', '--crop nan: expected a margin'),
        ('p.png --crop -0.3', '--crop -0.3: expected a margin'),
        ('p.png --threshold -1', '--threshold -1: expected a number of nats from 0 on, or none'),
        ('p.png --threshold nan', '--threshold nan: expected a number of nats'),
        ('p.png --threshold inf', '--threshold inf: expected a number of nats'),
        ('v.mp4 --half-life nan', 'half_life=nan: a number of frames from 0 on'),
    ],
)
def test_options_that_cannot_be_meant(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / 'p.png')
    write(tmp_path / 'q.png')
    (tmp_path / 'v.mp4').write_bytes(b'x')
    code, told, errors = predict(capsys, *words.split())
    assert (code, told) == (1, '')
    (line,) = errors.splitlines()
    assert line.startswith(f'error: {message}')
    assert len(list(tmp_path.iterdir())) == 3


def test_options_of_videos_hold_for_those_among_photos(tmp_path, capsys):
    write_video(tmp_path / 'v.avi', [IMAGE] * 5, size=(50, 60))
    _, told, _ = predict(capsys, write(tmp_path / 'p.png'), tmp_path / 'v.avi', '--stride', 2)
    rows = [line.split()[:2] for line in told.splitlines() if line.startswith(' v.avi')]
    assert rows == [['v.avi', '0'], ['v.avi', '2'], ['v.avi', '4']]


def test_the_order_of_words(tmp_path):
    with pytest.raises(ValueError, match='m.onnx is a model. Name it first, before the images'):
        split_words(['a.jpg', 'm.onnx'])
    with pytest.raises(ValueError, match='e.pth is a checkpoint: give its config first'):
        split_words(['e.pth', 'a.jpg'])
    with pytest.raises(ValueError, match='The nearest model is poster_var_raf'):
        split_words(['poster_vor_raf', 'a.jpg'])
    assert split_words(['poster_var/raf', 'e.pth', 'a.jpg']) == ('poster_var/raf', 'e.pth', ['a.jpg'])
    assert split_words(['0']) == (None, None, ['0'])
    assert split_words([str(tmp_path)]) == (None, None, [str(tmp_path)])


def test_an_inferencer_says_what_it_is():
    from mmfer import ExpressionInferencer

    name, model, classes, detector, threshold = repr(ExpressionInferencer(detector='haar')).splitlines()
    assert name == 'ExpressionInferencer'
    assert model.endswith('poster_var_ferplus_small.onnx')
    assert classes == '  classes: neutral, happiness, surprise, sadness, anger, disgust, fear, contempt'
    assert detector.startswith('  detector: Haar(')
    assert float(threshold.removeprefix('  threshold: ').removesuffix(' nats')) > 0
    assert repr(ExpressionInferencer(detector=None, threshold=None)).endswith('  detector: None\n  threshold: None')


def test_predict_takes_lists_of_arrays_alone():
    from mmfer import ExpressionInferencer

    inferencer = ExpressionInferencer(detector=None)
    assert len(inferencer.predict([IMAGE], channels='bgr')) == 1
    for wrong in (IMAGE, 'a.jpg', ['a.jpg']):
        with pytest.raises(TypeError, match='predict takes'):
            inferencer.predict(wrong, channels='bgr')


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (
            '--out r.csv --jobs 2',
            '--jobs, --part, --shard and --no-resume are for shards: name their folder, such as --out results.parquet/',
        ),
        ('--out r.parquet/ --cards', '--cards is for single photos and videos, not for a folder of results'),
        ('--out r.parquet/ --part 1', '--part 1: expected K/N, such as 0/8'),
        ('--out r.parquet/ --part 8/8', 'part 8 of 8: parts are counted from 0'),
        ('--out r.parquet/ --shard 0', 'shard=0: a whole number from 1 on'),
    ],
)
def test_what_a_folder_of_results_refuses(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, _, errors = predict(capsys, write(tmp_path / 'a.png'), *words.split())
    assert (code, errors) == (1, f'error: {message}\n')
    assert not (tmp_path / 'r.parquet').exists()
