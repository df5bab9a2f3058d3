import json
from functools import partial

import cv2
import numpy as np
import pytest

TOOL = 'mmfer data verify'
CONFIG = """
from mmfer.datasets import FolderDataset

train_dataloader = dict(dataset=dict(type=FolderDataset, data_root={root!r}, split='train'))
test_dataloader = dict(dataset=dict(type=FolderDataset, data_root={root!r}, split='test'))
"""


@pytest.fixture
def config(tmp_path):
    """A config of class folders without problems."""
    for i in range(8):
        noise = np.random.default_rng(i).integers(0, 256, (8, 8), dtype=np.uint8)
        path = tmp_path / 'faces' / ('train', 'test')[i >= 4] / ('happy', 'sad')[i % 2] / f'{i}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), cv2.resize(noise, (48, 48), interpolation=cv2.INTER_CUBIC))
    (tmp_path / 'config.py').write_text(CONFIG.format(root=str(tmp_path / 'faces')))
    return tmp_path / 'config.py'


@pytest.fixture
def call(call_tool):
    """Calls the tool in this process; returns its exit code and what it printed and complained of."""
    return partial(call_tool, TOOL)


def plant(root):
    """A copy with another label in the test part, an unreadable and 12 tiny images."""
    data = (root / 'train/happy/0.png').read_bytes()
    (root / 'test/sad/copy.png').write_bytes(data)
    (root / 'train/sad/cut [bold] ä.png').write_bytes(data[:-40])
    for i in range(12):
        img = np.random.default_rng(100 + i).integers(0, 256, (12, 15), dtype=np.uint8)
        cv2.imwrite(str(root / f'train/sad/tiny{i}.png'), img)


def test_problems_are_shown_and_written(config, call, tmp_path):
    plant(tmp_path / 'faces')
    out = tmp_path / 'report.json'
    code, printed, error = call(config, '--out', out, '--workers', 1)
    assert code == 3, error
    for text in (
        'train: FolderDataset train',
        'unreadable images: 1',
        'cut [bold] ä.png',
        'tiny images: 12',
        '... (2 more)',
        '1 images of test have a copy in train: 1 exact, 0 near, 0 changed, 1 with a copy of another label',
        'copy.png (sadness)',
        '█',
    ):
        assert text in printed
    report = json.loads(out.read_text(encoding='utf-8'))
    assert report['config'] == str(config)
    assert len(report['data_sets'][0]['tiny']) == 12
    assert [image['label'] for image in report['duplicates']['groups'][0]['images']] == ['happiness', 'sadness']
    assert report['problems']
    assert sorted(path.name for path in tmp_path.iterdir()) == ['config.py', 'faces', 'report.json']


def test_nothing_found(config, call):
    code, out, _ = call(config)
    assert code == 0
    assert 'No problems found.' in out
    assert 'test: FolderDataset test' in out
    code, out, _ = call(config, '--splits', 'train', '--min-size', 49)
    assert code == 3
    assert 'train: 4 tiny images' in out
    assert 'FolderDataset test' not in out


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('--distance', 13), '--distance 13'),
        (('--distance', -1), '--distance -1'),
        (('--min-size', -1), '--min-size -1'),
        (('--workers', 0), '--workers 0'),
        (('--out', 'report.txt'), 'must end in .json'),
        (('--out', '/no/such/folder/report.json'), 'folder that exists'),
        (('--splits', 'val'), 'no val_dataloader'),
        (('--cfg-options', 'train_dataloader.dataset.data_root=absent'), 'absent'),
    ],
)
def test_wrong_arguments(config, call, arguments, message):
    code, out, err = call(config, *arguments)
    assert code == 1
    assert err.startswith('error: ')
    assert message in err
    assert out == ''
