import io
import zipfile
from functools import partial

import cv2
import numpy as np
import pytest
from processes import ROOT, load_tool

from mmfer.cli import data_prepare
from mmfer.datasets.prepare import RECIPES

SHARED = ROOT.parent / 'shared' / 'data'
CODES = ('AN', 'DI', 'FE', 'HA', 'NE', 'SA', 'SU')


def jaffe_zip(codes=CODES):
    data = cv2.imencode('.tiff', np.zeros((4, 4), np.uint8))[1].tobytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        for i, code in enumerate(codes):
            archive.writestr(f'jaffe/KA.{code}1.{i}.tiff', data)
    return buffer.getvalue()


@pytest.fixture
def tool():
    return load_tool('mmfer data prepare')


@pytest.fixture
def run(tool, call_tool):
    """Calls the tool in this process; returns its exit code and what it printed."""
    return partial(call_tool, tool)


def test_names_are_those_of_the_recipes():
    assert set(data_prepare.DATASETS) == set(RECIPES)


def test_prepared_and_a_damaged_archive(tmp_path, run):
    (tmp_path / 'raw').mkdir()
    (tmp_path / 'raw' / 'jaffe.zip').write_bytes(jaffe_zip())
    code, out, err = run('jaffe', tmp_path / 'raw', tmp_path / 'out')
    assert code == 0, err
    assert 'JAFFE(' in out
    assert len(list((tmp_path / 'out' / 'jaffe').iterdir())) == 7
    (tmp_path / 'raw' / 'jaffe.zip').write_bytes(jaffe_zip()[:300])
    code, _, err = run('jaffe', tmp_path / 'raw', tmp_path / 'again')
    assert code == 1
    assert 'error: jaffe.zip cannot be unpacked' in err
    assert not (tmp_path / 'again').exists()


def test_options_reach_the_work(tmp_path, run):
    (tmp_path / 'jaffe.zip').write_bytes(jaffe_zip())
    code, out, _ = run('jaffe', tmp_path / 'jaffe.zip', tmp_path / 'out', '--dry-run', '--workers', 1, '--copy')
    assert code == 0
    assert 'dry run' in out
    assert not (tmp_path / 'out').exists()
    code, _, err = run('jaffe', tmp_path / 'jaffe.zip', tmp_path / 'out', '--margin', 0.2)
    assert code == 1
    assert 'margin cannot be set for JAFFE' in err


@pytest.mark.parametrize(
    ('raw', 'out', 'message'),
    [
        ('nothing', 'out', 'RAW_DIR not found'),
        ('jaffe.zip', 'jaffe.zip', 'lies in RAW_DIR'),
        ('jaffe.zip', 'mine', 'has files (precious.txt)'),
        ('wrong', 'out', 'has not the layout'),
        ('less.zip', 'out', 'no samples of surprise'),
    ],
)
def test_mistakes_end_with_one_message(tmp_path, run, raw, out, message):
    (tmp_path / 'jaffe.zip').write_bytes(jaffe_zip())
    (tmp_path / 'less.zip').write_bytes(jaffe_zip(CODES[:-1]))
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'precious.txt').write_text('x')
    (tmp_path / 'wrong').mkdir()
    (tmp_path / 'wrong' / 'a.txt').write_text('x')
    code, _, err = run('jaffe', tmp_path / raw, tmp_path / out)
    assert code == 1
    assert 'error: ' in err
    assert message in err
    assert (tmp_path / 'mine' / 'precious.txt').read_text() == 'x'


@pytest.mark.long
@pytest.mark.skipif(not (SHARED / 'fer2013.tar.gz').is_file(), reason='needs the real archive in ../shared/data')
def test_the_real_archive_is_recognised(tmp_path, run):
    code, out, _ = run('fer2013', SHARED / 'fer2013.tar.gz', tmp_path / 'out', '--dry-run')
    assert code == 0
    assert '35887 files to write' in out
