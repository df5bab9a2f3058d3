import json

import cv2
import numpy as np
import pytest
import torch

from mmfer.benchmark.data import benchmark_data, find_images, one_thread, write_smooth_images

TINY = """from mmpretrain.models.utils.data_preprocessor import ClsDataPreprocessor

from mmfer.datasets import ColorJitter, FolderDataset, ImageResize, LoadImageFromFile, PackInputs

pipeline = [
    dict(type=LoadImageFromFile),
    dict(type=ImageResize, size=20),
    dict(type=ColorJitter, brightness=0.2),
    dict(type=PackInputs{pack}),
]
train_dataloader = dict(dataset=dict(type=FolderDataset, dataset=dict(type=FolderDataset, pipeline=pipeline)))
model = dict(data_preprocessor=dict(type=ClsDataPreprocessor, mean=[1, 2, 3], std=[4, 5, 6]))
"""


@pytest.fixture
def config(tmp_path):
    def write(text=TINY, pack=''):
        file = tmp_path / 'tiny.py'
        file.write_text(text.replace('{pack}', pack))
        return file

    return write


@pytest.mark.parametrize('pack', ['', ', soft_label=True'])
def test_times_of_both_sides(config, pack):
    result = benchmark_data(config(pack=pack), num=5, size=16, repeat=3, batch_size=2)
    assert json.loads(json.dumps(result)) == result
    for side in ('ours', 'kept', 'torchvision'):
        times = result[side]['all_ms_per_image']
        assert len(times) == 3
        assert result[side]['ms_per_image'] == sorted(times)[1] > 0
        assert result[side]['images_per_second'] == pytest.approx(1e3 / sorted(times)[1])
    pairs = zip(result['torchvision']['all_ms_per_image'], result['ours']['all_ms_per_image'])
    assert result['all_ratios'] == [b / a for b, a in pairs]
    assert result['ratio'] == sorted(result['all_ratios'])[1]
    assert result['kept_ratio'] > 0
    names = ['LoadImageFromFile', 'ImageResize', 'ColorJitter', 'PackInputs', 'ClsDataPreprocessor']
    assert [step['name'] for step in result['steps']] == names
    assert result['num'] == 5
    assert {'torch', 'pillow', 'opencv'} <= set(result['versions'])


def test_images_of_a_folder(config, tmp_path):
    (tmp_path / 'images' / 'a').mkdir(parents=True)
    (tmp_path / 'images' / 'notes.txt').write_text('text')
    for name in ('a/2.png', 'a/1.JPG', 'b.bmp'):
        file = tmp_path / 'images' / name
        file.write_bytes(cv2.imencode(file.suffix.lower(), np.zeros((9, 8, 3), np.uint8))[1])
    assert [path[-5:] for path in find_images(tmp_path / 'images', 9)] == ['1.JPG', '2.png', 'b.bmp']
    result = benchmark_data(config(), images=tmp_path / 'images', num=2, repeat=1)
    assert (result['num'], result['size']) == (2, None)


def test_folders_without_images(config, tmp_path):
    with pytest.raises(NotADirectoryError, match='absent'):
        benchmark_data(config(), images=tmp_path / 'absent')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='empty holds no images'):
        benchmark_data(config(), images=tmp_path / 'empty')


def test_generated_images_are_smooth_and_reproducible(tmp_path):
    first, second = (write_smooth_images(tmp_path, 2, 40, seed=1) for _ in range(2))
    images = [cv2.imread(path) for path in first]
    assert first == second
    assert images[0].shape == (40, 40, 3)
    assert (images[0] != images[1]).any()
    assert np.abs(np.diff(images[0].astype(int), axis=0)).mean() < 15 < images[0].std()


def test_threads_and_random_states_are_restored():
    torch.manual_seed(3)
    np.random.seed(3)
    expected = torch.rand(1), np.random.rand()
    torch.manual_seed(3)
    np.random.seed(3)
    threads = torch.get_num_threads(), cv2.getNumThreads()
    with one_thread(seed=8):
        assert torch.get_num_threads() == cv2.getNumThreads() == 1
        torch.rand(2), np.random.rand(2)
    assert (torch.get_num_threads(), cv2.getNumThreads()) == threads
    assert (torch.rand(1), np.random.rand()) == expected


@pytest.mark.parametrize('name', ['num', 'size', 'repeat', 'batch_size'])
def test_arguments_out_of_bounds(config, name):
    with pytest.raises(ValueError, match=f'{name}=0 must be at least 1'):
        benchmark_data(config(), **{name: 0})


def test_configs_that_lack_a_part(config):
    with pytest.raises(ValueError, match=r'tiny\.py: train_dataloader\.dataset has no pipeline'):
        benchmark_data(config(TINY.replace('train_dataloader', 'other')))
    with pytest.raises(ValueError, match=r'tiny\.py: model\.data_preprocessor must have mean and std'):
        benchmark_data(config(TINY.replace('mean=[1, 2, 3], std=[4, 5, 6]', '')))


def test_steps_without_a_counterpart(config):
    step = "dict(type='mmpretrain.ResizeEdge', scale=20)"
    with pytest.raises(ValueError, match='ResizeEdge has no counterpart'):
        benchmark_data(config(TINY.replace('dict(type=ImageResize, size=20)', step)))


@pytest.mark.parametrize(
    ('config', 'names'),
    [
        ('poster_var/raf.py', ['ImageResize', 'RandomFlip', 'ColorJitter', 'ImageRandomErasing']),
        ('poster_pp/raf.py', ['ImageResize', 'RandomFlip', 'ImageRandomErasing']),
    ],
)
def test_the_recipes_on_raf_db_are_comparable(root, config, names):
    result = benchmark_data(root / 'configs' / config, num=2, repeat=1)
    assert [step['name'] for step in result['steps']][1:-2] == names
