import csv

import cv2
import numpy as np
import pytest
from processes import load_tool

from mmfer.datasets import SynthFER


@pytest.fixture
def tool():
    return load_tool('mmfer data synth')


@pytest.fixture
def run(tool, call_tool):
    """Calls the tool in this process; returns its error message, or None."""

    def call(*arguments):
        code, _, error = call_tool(tool, *arguments)
        return error if code else None

    return call


def test_writes_images_table_and_sheet(tmp_path, tool, call_tool):
    out = tmp_path / 'new' / 'faces'
    options = ('--num', 12, '--size', 32, '--seed', 3, '--split', 'val', '--num-classes', 8)
    code, printed, error = call_tool(tool, '--out', out, *options)
    assert code == 0, error
    assert 'Bayes-optimal accuracy' in printed
    assert sorted(path.name for path in out.iterdir()) == ['contact_sheet.png', 'images', 'labels.csv']
    assert [path.name for path in out.parent.iterdir()] == ['faces']
    dataset = SynthFER(split='val', num_samples=12, size=32, seed=3, num_classes=8)
    with open(out / 'labels.csv', newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert len(list((out / 'images').iterdir())) == 12
    for i, row in enumerate(rows):
        info = dataset[i]
        assert np.array_equal(cv2.imread(str(out / row['file'])), info['img'])
        assert row['label'] == dataset.classes[info['gt_label']]
        for prefix, key in (('intensity', 'intensities'), ('true', 'gt_score'), ('votes', 'votes')):
            written = [float(row[f'{prefix}_{name}']) for name in dataset.classes]
            assert np.allclose(written, info[key], atol=1e-6)
    assert min(cv2.imread(str(out / 'contact_sheet.png')).shape[:2]) > 200


def test_plain_sheet_and_empty_folder(tmp_path, run):
    out = tmp_path / 'faces'
    out.mkdir()
    sheet = ('--plain-sheet', '--sheet-columns', 2, '--sheet-size', 16)
    assert run('--out', out, '--num', 8, '--size', 16, *sheet) is None
    assert (out / 'contact_sheet.png').is_file()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('--num', 0), 'num_samples'),
        (('--num', 2, '--size', 4), 'size'),
        (('--num', 2, '--num-classes', 5), 'num_classes'),
        (('--num', 2, '--sheet-columns', 0), 'sheet-columns'),
    ],
)
def test_wrong_arguments_leave_nothing(tmp_path, run, arguments, message):
    error = run('--out', tmp_path / 'faces', *arguments)
    assert error.startswith('error: ')
    assert message in error
    assert not list(tmp_path.iterdir())


def test_refuses_a_folder_with_files(tmp_path, run):
    (tmp_path / 'mine.txt').write_text('precious')
    assert 'not an empty folder' in run('--out', tmp_path, '--num', 2)
    assert [path.name for path in tmp_path.iterdir()] == ['mine.txt']


def test_a_failure_on_the_way_leaves_nothing(tmp_path, tool, run, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError('disk full')

    monkeypatch.setattr('mmfer.cli.data_synth.write_sheet', fail)
    assert 'disk full' in run('--out', tmp_path / 'faces', '--num', 2, '--size', 16)
    assert not list(tmp_path.iterdir())
