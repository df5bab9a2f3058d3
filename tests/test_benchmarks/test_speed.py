"""The command in every mode, in this process, on as little as possible."""

import json
from multiprocessing import get_context
from pathlib import Path

import cv2
import image_list
import image_pipeline
import machine
import model_steps
import numpy as np
import pytest
import torch
from processes import python

from mmfer.apis import load_config
from mmfer.datasets import AffectNet

TOOL = 'benchmarks/speed.py'
ONE_STEP = ('--steps', 1, '--rounds', 1, '--warmup', 0)
TINY = 'configs/poster_var/synth.py'
on_linux = pytest.mark.skipif(not Path('/proc/self/smaps_rollup').is_file(), reason='needs /proc/self/smaps_rollup')


@pytest.fixture(autouse=True)
def _small_peak(monkeypatch):
    monkeypatch.setitem(machine.SIZES, 'cpu', (32, (1, 4, 8), 1))
    monkeypatch.setattr(model_steps, 'keep_freed_memory', lambda: False)  # of the other tests' process


@pytest.fixture
def measure(call_tool, root, tmp_path):
    """Runs the command on one of our configs: ``(config, *options) -> (exit code, output, errors, result)``."""

    def call(config, *options):
        out = tmp_path / 'times.json'
        code, printed, error = call_tool(TOOL, root / config, *options, '--out', out)
        assert [path.name for path in tmp_path.glob('*times.json*')] == ['times.json'] * out.exists()
        return code, printed, error, json.loads(out.read_text()) if out.exists() else None

    return call


def test_tells_how_it_is_used(root, tmp_path):
    result = python(root / TOOL, '--help', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith('usage: ')


@pytest.mark.parametrize('config', ['configs/poster_var/raf.py', 'configs/poster_pp/raf.py'])
def test_data(measure, config):
    code, printed, error, result = measure(config, '--mode', 'data', '--num', 3, '--repeat', 3, '--size', 30)
    assert code == 0, error
    for text in ('torchvision + PIL', 'times as fast', 'ImageResize', 'FERDataPreprocessor'):
        assert text in printed
    for side in ('ours', 'torchvision'):
        times = result[side]['all_ms_per_image']
        assert result[side]['ms_per_image'] == sorted(times)[1] > 0
        assert result[side]['images_per_second'] == pytest.approx(1e3 / sorted(times)[1])
    pairs = zip(result['torchvision']['all_ms_per_image'], result['ours']['all_ms_per_image'])
    assert result['all_ratios'] == [b / a for b, a in pairs]
    assert result['ratio'] == sorted(result['all_ratios'])[1]
    steps = [step['name'] for step in result['steps']]
    assert (steps[0], steps[-1]) == ('LoadImageFromFile', 'FERDataPreprocessor')


def test_data_from_a_folder_of_images(measure, tmp_path):
    (tmp_path / 'images' / 'a').mkdir(parents=True)
    (tmp_path / 'images' / 'notes.txt').write_text('text')
    options = ('--mode', 'data', '--images', tmp_path / 'images', '--num', 2, '--repeat', 1)
    code, _, error, _ = measure('configs/poster_var/raf.py', *options)
    assert code == 1
    assert error.startswith(f'error: {tmp_path}/images holds no images')
    for name in ('a/2.png', 'a/1.JPG', 'b.bmp'):
        file = tmp_path / 'images' / name
        file.write_bytes(cv2.imencode(file.suffix.lower(), np.zeros((9, 8, 3), np.uint8))[1])
    code, _, error, result = measure('configs/poster_var/raf.py', *options)
    assert code == 0, error
    assert (result['num'], result['size']) == (2, None)


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ('configs/poster_var/fer2013.py', 'RandomResizedCrop has no counterpart in torchvision here'),
        (TINY, 'the pipeline must begin with LoadImageFromFile'),
    ],
)
def test_a_step_without_counterpart_is_one_line(measure, config, message):
    code, _, error, result = measure(config, '--mode', 'data')
    assert (code, result) == (1, None)
    assert error.startswith(f'error: {message}')


def test_data_needs_mean_and_std(root):
    config = load_config(root / 'configs/poster_var/raf.py')
    config.data_preprocessor, config.model.data_preprocessor = None, dict(type='mmengine.BaseDataPreprocessor')
    with pytest.raises(ValueError, match='must have mean and std'):
        image_pipeline.benchmark_pipeline(config)


def test_generated_images_are_smooth_and_reproducible(tmp_path):
    first, second = (image_pipeline.write_smooth_images(tmp_path, 2, 40, seed=1) for _ in range(2))
    images = [cv2.imread(path) for path in first]
    assert first == second
    assert images[0].shape == (40, 40, 3)
    assert (images[0] != images[1]).any()
    assert np.abs(np.diff(images[0].astype(int), axis=0)).mean() < 15 < images[0].std()


def test_threads_and_random_states_are_restored():
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.manual_seed(3)
    np.random.seed(3)
    expected = torch.rand(1), np.random.rand()
    torch.manual_seed(3)
    np.random.seed(3)
    with image_pipeline.one_thread(), machine.seeded(8):
        assert torch.get_num_threads() == cv2.getNumThreads() == 1
        torch.rand(2), np.random.rand(2)
    assert (torch.rand(1), np.random.rand()) == expected
    assert (torch.get_num_threads(), cv2.getNumThreads()) == threads


@on_linux
def test_list(measure, monkeypatch):
    small = image_list.benchmark_list
    monkeypatch.setattr(image_list, 'get_context', lambda method: get_context('fork'))  # nothing is imported again
    monkeypatch.setattr(image_list, 'benchmark_list', lambda repeat: small(num=3000, workers=1, repeat=repeat))
    code, printed, error, result = measure('x.py', '--mode', 'list', '--repeat', 1)
    assert code == 0, error
    assert '3000 entries: open in' in printed
    assert result['num'] == 3000
    assert result['total_mb'] > 50


def test_the_list_is_one_of_affect_net(tmp_path):
    image_list.write_list(tmp_path, 21)
    dataset = AffectNet(str(tmp_path), 'train')
    assert len(dataset) == 21
    x1, y1, x2, y2 = dataset.entry(3)['face_box']
    assert x1 < x2
    assert y1 < y2


def test_training(measure):
    settings = ('--compare', 'fp32', 'bf16')
    code, printed, error, result = measure(TINY, '--mode', 'train', '--batch', 2, *ONE_STEP, *settings)
    assert code == 0, error
    for text in ('3x3 convolution', 'batch 2', 'x 3 for a training step of OptimWrapper around AdamW'):
        assert text in printed
    assert [row['setting'] for row in result['rows']] == ['fp32', 'bf16']


def test_everything_in_one_run(call_tool, root, tmp_path):
    pytest.importorskip('onnxruntime')
    config = load_config(root / TINY)
    config.train_dataloader = load_config(root / 'configs/poster_var/raf.py').train_dataloader
    config.dump(tmp_path / 'config.py')
    out = tmp_path / 'times.json'
    options = ('--mode', 'all', '--batch', 2, *ONE_STEP, '--compare', 'fp32', 'fp32+channels_last', 'fp32+onnx')
    data = ('--num', 3, '--repeat', 1, '--size', 40, '--out', out)
    code, printed, error = call_tool(TOOL, tmp_path / 'config.py', *options, *data)
    assert code == 0, error
    for text in ('parts of fp32+channels_last', 'the rest', 'step of mmfer'):
        assert text in printed
    result = json.loads(out.read_text())
    settings = {mode: [row['setting'] for row in result[mode]['rows']] for mode in ('infer', 'train')}
    assert settings == dict(infer=['fp32', 'fp32+channels_last', 'fp32+onnx'], train=['fp32', 'fp32+channels_last'])
    assert result['data']['num'] == 3


def test_a_pipeline_that_cannot_be_compared_leaves_the_rest(measure):
    code, printed, error, result = measure(TINY, '--mode', 'all', '--batch', 1, *ONE_STEP, '--compare', 'fp32')
    assert code == 0, error
    assert 'data cannot be measured: the pipeline must begin with LoadImageFromFile' in printed
    assert 'LoadImageFromFile' in result['data']['error']
    assert result['train']['rows'][0]['error'] is None


def test_two_configs(measure, root):
    against = root / 'configs/poster_var/synth_linear.py'
    options = ('--mode', 'infer', '--batch', 1, *ONE_STEP, '--compare', 'fp32', '--against', against)
    code, printed, error, result = measure(TINY, *options)
    assert code == 0, error
    assert f'against of {against}' in printed
    assert [row['config'] for row in result['rows']] == [str(root / TINY), str(against)]


def test_only_models_are_compared(measure, capfd):
    with pytest.raises(SystemExit, match='2'):
        measure(TINY, '--mode', 'data', '--against', 'x.py')
    assert '--against compares models' in capfd.readouterr().err


def test_nothing_that_could_be_measured_is_an_error(measure):
    options = ('--mode', 'infer', '--batch', 1, '--compare', 'fp32+compile', '--compile-backend', 'no_such')
    code, _, error, result = measure(TINY, *options)
    assert code == 1
    assert 'error: no setting could be measured' in error
    assert 'no_such' in result['rows'][0]['error']


@pytest.mark.parametrize('options', [('data', '--num', 0), ('data', '--repeat', 0), ('infer', '--rounds', 0)])
def test_arguments_out_of_bounds(measure, options):
    code, _, error, _ = measure('configs/poster_var/raf.py', '--mode', *options)
    assert code == 1
    assert 'must be at least 1' in error
