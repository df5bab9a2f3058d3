"""A corpus of one-coloured images, looked at by processes that are spawned."""

import csv
import os
import shutil
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from corpus_models import FullDisk, KilledByRed, RefusesRed
from face_results import ColourClassifier, write_video
from processes import environment

from mmfer import ExpressionInferencer, read_results
from mmfer.faces.haar import Haar
from mmfer.inference.corpus.run import predict_corpus, settings_of
from mmfer.structures.results import Results
from mmfer.utils.folder_lock import sole_run

pandas = pytest.importorskip('pandas')
pytest.importorskip('pyarrow')
BLUE, GREEN, RED = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def inferencer(kind=ColourClassifier):
    return ExpressionInferencer(kind(), detector=None, batch_size=4)


def write(path, colour=BLUE):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((16, 16, 3), colour, np.uint8))
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Eight photos, a video and a file that is none of both."""
    monkeypatch.chdir(tmp_path)
    for i in range(8):
        write(tmp_path / f'in/{i}.png', (BLUE, GREEN)[i % 2])
    write_video(tmp_path / 'in/v.avi', [BLUE, GREEN, BLUE])
    (tmp_path / 'in/w.jpg').write_bytes(b'no image')
    return tmp_path


def manifest(out):
    with open(out / '_manifest.csv', encoding='utf-8') as file:
        return {row['file']: row for row in csv.DictReader(file)}


def test_the_table_is_that_of_one_process(folder):
    outcome = predict_corpus(inferencer(), ['in'], 'r.parquet', jobs=2, shard=4)
    assert (outcome.shards, outcome.done, outcome.held) == (3, 3, {})
    assert outcome.states == dict(done=9, failed=1)
    expected = Results(inferencer()('in')).to_pandas()
    found = read_results('r.parquet')
    pandas.testing.assert_frame_equal(found, expected.astype(found.dtypes), rtol=1e-9)
    told = manifest(folder / 'r.parquet')
    assert (told['in/v.avi']['frames'], told['in/v.avi']['faces'], told['in/0.png']['frames']) == ('3', '3', '0')
    assert (told['in/w.jpg']['state'], told['in/w.jpg']['shard']) == ('failed', 'part-00002.parquet')
    assert 'damaged, or no image' in told['in/w.jpg']['error']

    before = {path: path.stat().st_mtime_ns for path in (folder / 'r.parquet').glob('part-*')}
    write(folder / 'in/a/late.png')
    again = predict_corpus(inferencer(), ['in'], 'r.parquet', shard=4)
    assert again.done == again.shards == 4
    assert {path: path.stat().st_mtime_ns for path in before} == before
    table = read_results('r.parquet')
    assert table.source.iloc[-1] == 'in/a/late.png'
    assert table.source[table.frame.isna()].is_unique


@pytest.mark.parametrize(
    ('kind', 'why'),
    [
        pytest.param(KilledByRed, 'in/5.png: processes that look at it end by SIGKILL', marks=pytest.mark.slow),
        (RefusesRed, 'RuntimeError: no red'),
    ],
)
def test_one_file_does_not_end_the_others(kind, why, folder):
    write(folder / 'in/5.png', RED)
    outcome = predict_corpus(inferencer(kind), ['in'], 'r.parquet', shard=100)
    assert outcome.states == dict(done=8, failed=2)
    assert why in manifest(folder / 'r.parquet')['in/5.png']['error']
    assert len(read_results('r.parquet')) == 12


def test_a_full_disk_leaves_whole_shards_and_the_rest_for_later(folder):
    with pytest.raises(OSError, match=r'r.parquet: No space left on device\. What is written is whole; start again'):
        predict_corpus(inferencer(FullDisk), ['in'], 'r.parquet', shard=4)
    assert len(read_results('r.parquet')) == 4
    assert not list((folder / 'r.parquet').glob('.*'))
    assert predict_corpus(inferencer(), ['in'], 'r.parquet').done == 3
    assert len(read_results('r.parquet')) == 12


def test_shards_that_others_look_at_are_left_to_them(folder):
    with sole_run('r.parquet/_locks/part-00001.parquet.lock'):
        process = start(folder)
        told, _ = process.communicate(timeout=300)
    assert process.returncode == 1, told
    assert '4 of 5 shards are written' in told
    assert f'note: part-00001.parquet is in use by process {os.getpid()} on ' in told
    assert 'files: 7 done, 1 failed, 2 open' in told
    assert start(folder).wait(timeout=300) == 0
    assert len(read_results('r.parquet')) == 12


def test_what_is_refused(folder):
    predict_corpus(inferencer(), ['in/0.png'], 'r.parquet')
    other = ExpressionInferencer(ColourClassifier(), detector=None, threshold=0.5)
    with pytest.raises(ValueError, match=r'was begun with threshold=None, now it is 0\.5'):
        predict_corpus(other, ['in'], 'r.parquet')
    steps = [dict(type='ImageCenterCrop', size=8), *ColourClassifier.pipeline]
    other = ExpressionInferencer(ColourClassifier(pipeline=steps), detector=None, threshold=None)
    with pytest.raises(ValueError, match=r'was begun with pipeline=.* now it is .*ImageCenterCrop'):
        predict_corpus(other, ['in'], 'r.parquet')
    for detector, other in ((Haar(), 'Haar'), (Haar(min_neighbors=9), "Haar {'min_neighbors': 9}")):
        found = settings_of(ExpressionInferencer(ColourClassifier(), detector=detector), 1)
        assert found['detector'] == other
    with pytest.raises(ValueError, match='--no-resume forbids to go on'):
        predict_corpus(inferencer(), ['in'], 'r.parquet', resume=False)
    os.chdir('in')
    with pytest.raises(ValueError, match='was begun with folder='):
        predict_corpus(inferencer(), ['1.png'], '../r.parquet')
    with pytest.raises(ValueError, match=r'\.\./in holds .* and is no corpus of mmfer'):
        predict_corpus(inferencer(), ['1.png'], '../in')
    with pytest.raises(ValueError, match=r'0\.png is a file. Name a folder'):
        predict_corpus(inferencer(), ['1.png'], '0.png')
    with pytest.raises(ValueError, match='jobs=0: a whole number from 1 on'):
        predict_corpus(inferencer(), ['1.png'], 'new', jobs=0)
    with pytest.raises(FileNotFoundError, match='no such file or folder: nothing'):
        predict_corpus(inferencer(), ['nothing'], 'new')


def start(folder, **env):
    """The command, by the shipped model; importing PyTorch would end it."""
    fake = folder / 'fake/torch'
    fake.mkdir(parents=True, exist_ok=True)
    (fake / '__init__.py').write_text("raise SystemExit('torch is imported')\n")
    env = environment(PYTHONPATH=str(fake.parent), **env)
    words = [
        sys.executable,
        '-m',
        'mmfer',
        'predict',
        'in',
        '--out',
        'r.parquet/',
        '--shard',
        '2',
        '--detector',
        'none',
    ]
    return subprocess.Popen(words, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_two_commands_of_a_launcher_share_the_work(folder):
    told = [start(folder, RANK=str(rank), WORLD_SIZE='2') for rank in range(2)]
    told = [(process.communicate(timeout=300)[0], process.returncode) for process in told]
    assert [code for _, code in told] == [0, 0], told
    assert any('files: 9 done, 1 failed' in text for text, _ in told)
    table = read_results(folder / 'r.parquet')
    assert len(table) == 12
    assert table.source[table.frame.isna()].is_unique


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir('/proc/self/task'), reason='looks for child processes in /proc')
def test_workers_end_with_their_parent(folder):
    from corpus import family

    for i in range(400):
        shutil.copy(folder / 'in/0.png', folder / f'in/{i}.copy.png')
    process = start(folder)
    while len(list((folder / 'r.parquet').glob('part-*'))) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    (_, *workers) = family(process.pid)
    process.kill()
    process.communicate()
    until = time.monotonic() + 60
    while any(os.path.isdir(f'/proc/{pid}/fd') and os.path.exists(f'/proc/{pid}/exe') for pid in workers):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert workers
    assert len(list((folder / 'r.parquet').glob('part-*'))) < 205
