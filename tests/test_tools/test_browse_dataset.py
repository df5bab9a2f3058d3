import cv2
import numpy as np
import pytest
import torch
from nested_data import KINDS, nested
from processes import load_tool

from mmfer.cli import data_browse
from mmfer.registry import MODELS

CONFIG = """
from mmcv.transforms import RandomFlip
from mmpretrain.models.utils.data_preprocessor import ClsDataPreprocessor

from mmfer.datasets import FolderDataset, LoadImageFromFile, PackInputs, SynthFER

model = dict(
    data_preprocessor=dict(
        type=ClsDataPreprocessor, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
    )
)
pipeline = [dict(type=LoadImageFromFile), dict(type=RandomFlip, prob=0.5), dict(type=PackInputs)]
train_dataloader = dict(dataset=dict(type=SynthFER, split='train', num_samples=40, size=32, pipeline=pipeline))
test_dataloader = dict(dataset=dict(type=FolderDataset, data_root={root!r}, pipeline=pipeline, test_mode=True))
"""
BLUE = (230, 30, 10)  # BGR


@pytest.fixture
def config(tmp_path):
    for label in ('happy', 'sad'):
        (tmp_path / 'faces' / label).mkdir(parents=True)
        data = cv2.imencode('.png', np.full((24, 36, 3), BLUE, np.uint8))[1].tobytes()
        (tmp_path / 'faces' / label / 'Gesicht ä 顔.png').write_bytes(data)
    (tmp_path / 'config.py').write_text(CONFIG.format(root=str(tmp_path / 'faces')))
    return tmp_path / 'config.py'


@pytest.fixture
def tool():
    return load_tool('mmfer data browse')


@pytest.fixture
def call(tool, call_tool):
    """Calls the tool in this process; returns its error message, or None."""

    def run(*arguments):
        code, _, error = call_tool(tool, *arguments)
        return error if code else None

    return run


def test_sheet_of_soft_labels(config, tool, call_tool, tmp_path):
    out = tmp_path / 'sheet.png'
    code, printed, error = call_tool(tool, config, '--out', out, '--num', 5, '--views', 2)
    assert code == 0, error
    assert '5 samples of 40' in printed
    sheet = cv2.imread(str(out))
    assert sheet.shape[1] == 250 + 3 * 128
    assert sheet.shape[0] > 5 * 128
    assert sorted(path.name for path in tmp_path.iterdir()) == ['config.py', 'faces', 'sheet.png']


@pytest.mark.parametrize('kind', KINDS)
def test_sheet_of_joined_data(kind, config, tool, call_tool, tmp_path):
    part = "dict(type='SynthFER', split={!r}, num_samples=20, size=32, pipeline=pipeline)"
    both = nested(kind, 'first', 'second')
    text = repr(both).replace("'first'", part.format('train')).replace("'second'", part.format('val'))
    config.write_text(f'{config.read_text()}\ntrain_dataloader = dict(dataset={text})\n')
    code, printed, error = call_tool(tool, config, '--out', tmp_path / 'sheet.png', '--num', 5, '--views', 1)
    assert code == 0, error
    total = {'KFold': 20, 'mmengine.RepeatDataset': 80}.get(kind, 40)
    assert f'5 samples of {total}' in printed


def test_views_have_the_colors_of_the_image_if_the_model_gets_rgb(config, call, tmp_path):
    out = tmp_path / 'sheet.png'
    options = (config, '--out', out, '--split', 'test', '--views', 1)
    assert call(*options) is None  # a name beyond ASCII, fewer samples than asked for
    right = cv2.imread(str(out))
    last = right[-68, 250:]  # the middle of the lowest row
    assert last[60].tolist() == last[128 + 60].tolist() == list(BLUE)
    assert call(*options, '--cfg-options', 'model.data_preprocessor.to_rgb=False') is None
    last = cv2.imread(str(out))[-68, 250:]
    assert last[60].tolist() == list(BLUE)
    assert last[128 + 60].tolist() == list(BLUE[::-1])


def test_samples_are_spread_over_the_classes(tool):
    labels = [0] * 50 + [1] * 3 + [2]
    chosen = data_browse.choose(labels, 7, seed=0)
    assert [labels[i] for i in chosen] == [0, 0, 0, 1, 1, 1, 2]
    assert len(set(chosen)) == 7
    assert sorted(data_browse.choose(labels, 100, seed=0)) == list(range(54))


@pytest.mark.parametrize('to_rgb', [True, False])
def test_draw_view_undoes_the_normalisation(tool, to_rgb):
    img = torch.arange(48, dtype=torch.uint8).reshape(3, 4, 4) * 5
    settings = dict(type='mmpretrain.ClsDataPreprocessor', mean=[120, 110, 100], std=[60, 50, 40], to_rgb=to_rgb)
    view = data_browse.draw_view(dict(inputs=img), MODELS.build(settings))
    expected = img.numpy().transpose(1, 2, 0)
    assert np.array_equal(view, expected if to_rgb else expected[..., ::-1])
    assert np.array_equal(data_browse.draw_view(dict(inputs=img), None), expected)
    plain = MODELS.build(dict(type='mmpretrain.ClsDataPreprocessor', to_rgb=to_rgb))
    assert np.array_equal(data_browse.draw_view(dict(inputs=img), plain), view)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('--num', 0), '--num 0'),
        (('--views', 0), '--views 0'),
        (('--seed', -1), '--seed -1'),
        (('--split', 'val'), 'no val_dataloader'),
        (('--cfg-options', 'train_dataloader.dataset.pipeline=[]'), 'PackInputs'),
        (('--cfg-options', 'train_dataloader.dataset.size=2'), 'size'),
    ],
)
def test_wrong_arguments_leave_nothing(config, call, tmp_path, arguments, message):
    error = call(config, '--out', tmp_path / 'sheet.png', *arguments)
    assert error.startswith('error: ')
    assert message in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ['config.py', 'faces']


@pytest.mark.parametrize('name', ['sheet.jpg', 'absent/sheet.png'])
def test_wrong_output(config, call, tmp_path, name):
    assert 'must end in .png' in call(config, '--out', tmp_path / name)
