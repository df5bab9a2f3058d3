import importlib.util
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmfer.datasets.prepare import RECIPES

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'tools' / 'dataset_converters' / 'prepare.py'
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
    spec = importlib.util.spec_from_file_location('prepare_tool', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(tool, monkeypatch, capsys):
    """Calls the tool in this process; returns its exit code and what it printed."""

    def call(*arguments):
        monkeypatch.setattr(sys, 'argv', [tool.__file__, *map(str, arguments)])
        code = tool.main()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_names_are_those_of_the_recipes(tool):
    assert set(tool.DATASETS) == set(RECIPES)


def test_as_a_command(tmp_path):
    (tmp_path / 'raw').mkdir()
    (tmp_path / 'raw' / 'jaffe.zip').write_bytes(jaffe_zip())
    command = [sys.executable, TOOL, 'jaffe', tmp_path / 'raw', tmp_path / 'out']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert 'JAFFE(' in done.stdout
    assert len(list((tmp_path / 'out' / 'jaffe').iterdir())) == 7
    (tmp_path / 'raw' / 'jaffe.zip').write_bytes(jaffe_zip()[:300])
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert done.stderr.startswith('error: ')
    assert 'jaffe.zip is damaged or incomplete' in done.stderr
    assert 'Traceback' not in done.stderr


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
        ('.', 'new', 'lies in RAW_DIR'),
        ('jaffe.zip', 'jaffe.zip', 'lies in RAW_DIR'),
        ('jaffe.zip', 'mine', 'not prepared by this tool: precious.txt'),
        ('wrong', 'out', 'has not the layout'),
        ('wrong', 'jaffe.zip', 'is a file'),
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
    assert err.startswith('error: ')
    assert message in err
    assert (tmp_path / 'mine' / 'precious.txt').read_text() == 'x'


def test_unknown_data_set(run, capsys):
    with pytest.raises(SystemExit) as error:
        run('mnist', 'a', 'b')
    assert error.value.code == 2
    assert 'raf_db' in capsys.readouterr().err


@pytest.mark.skipif(not (SHARED / 'fer2013.tar.gz').is_file(), reason='needs the real archive in ../shared/data')
def test_the_real_archive_is_recognised(tmp_path, run):
    code, out, _ = run('fer2013', SHARED / 'fer2013.tar.gz', tmp_path / 'out', '--dry-run')
    assert code == 0
    assert '35887 to write' in out
