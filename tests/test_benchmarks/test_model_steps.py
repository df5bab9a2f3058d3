import json
from functools import partial
from pathlib import Path

import machine
import model_steps
import pytest
import torch
from image_pipeline import train_pipeline
from machine import fp32_arithmetic, machine_peak
from model_steps import benchmark_model, count_work
from nested_data import KINDS, nested
from part_times import PartTimes
from report import model_report
from torch import nn
from trial import Setting, build_model

from mmfer.apis import load_config
from mmfer.models.stand_in_batch import stand_in_batch

CPU = torch.device('cpu')
CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
SMALL = dict(steps=1, rounds=2, warmup=0, batches=[2])


@pytest.fixture(autouse=True)
def _small_peak(monkeypatch):
    monkeypatch.setitem(machine.SIZES, 'cpu', (32, (1, 4, 8), 1))
    monkeypatch.setattr(model_steps, 'keep_freed_memory', lambda: False)  # of the other tests' process


class Stem(nn.Module):
    """As small as a backbone can be."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        return (self.conv(x).relu().mean((2, 3)),)


@pytest.fixture
def stem():
    config = load_config(CONFIGS / 'poster_var/synth_sam.py')
    config.model.backbone, config.model.neck = dict(type=Stem), None
    config.model.head.in_channels = 8
    config.optim_wrapper.interval = 2
    return config


@pytest.mark.slow
def test_training_in_several_settings(stem):
    settings = ['fp32', 'fp32+channels_last+compile', 'bf16']
    result = benchmark_model(stem, 'train', settings=settings, backend='eager', **SMALL)
    assert json.loads(json.dumps(result)) == result
    assert [(row['setting'], row['batch'], row['error']) for row in result['rows']] == [(s, 2, None) for s in settings]
    peak = result['peaks']['fp32']
    for row in result['rows']:
        ms = row['ms_per_step']
        assert len(ms['all']) == 2
        assert 0 < ms['best'] <= ms['median'] <= ms['worst']
        assert row['images_per_second'] == pytest.approx(2e3 / ms['median'])
        # SAM on every other step: 3 + 6 passes in two steps
        work = row['images_per_second'] * result['operations']['counted'] * 4.5
        assert row['of_peak']['conv'] == pytest.approx(work / peak['conv'])
        assert row['of_peak']['matmul'] == pytest.approx(work / peak['matmul'])
        assert row['first_step_seconds'] > 0
    assert result['rows'][0]['ratio'] == 1
    assert result['operations']['passes'] == 4.5
    assert [bool(row['compiled']) for row in result['rows']] == [False, True, False]
    compiled = result['rows'][1]['compiled']
    assert compiled['graphs'] >= 1
    assert (compiled['graph_breaks'], compiled['fallbacks']) == (0, 0)
    report = model_report(result)
    for text in ('x 4.5 for a training step of SAMOptimWrapper around AdamW', 'batch 2', 'TF32 is off', '0 break(s)'):
        assert text in report


@pytest.mark.slow
def test_inference_in_pytorch_and_in_onnxruntime():
    pytest.importorskip('onnx')
    pytest.importorskip('onnxruntime')
    config = load_config(CONFIGS / 'poster_var/synth.py')
    settings = ['fp32', 'fp32+channels_last', 'fp32+onnx', 'fp16+onnx', 'int8+onnx']
    result = benchmark_model(config, 'infer', settings=settings, parts=True, **SMALL)
    assert json.loads(json.dumps(result)) == result
    assert [(row['setting'], row['error']) for row in result['rows']] == [(text, None) for text in settings]
    for row in result['rows']:
        assert row['of_conv_in_turn'] > 0
    names = ['data_preprocessor', 'backbone.landmark', 'backbone.image', 'neck', 'head', 'the rest']
    for row in result['rows'][:2]:
        assert [part['name'] for part in row['parts']] == names
        assert all(part['forward_ms'] > 0 and part['backward_ms'] == 0 for part in row['parts'])
    assert result['rows'][2]['parts'] is None
    assert 'parts of fp32+channels_last' in model_report(result)


def test_the_parts_add_up_and_leave_the_model_as_it_was():
    config = load_config(CONFIGS / 'poster_var/synth.py')
    model, _ = build_model(config)
    data = model.eval().data_preprocessor(stand_in_batch(config, 'infer', 1))['inputs']
    before = dict(vars(model.head))
    times = PartTimes(model, CPU)
    (rest,) = (part for part in times.measure(lambda: model(data, mode='tensor'), 2) if part['name'] == 'the rest')
    assert rest['forward_ms'] > 0
    with pytest.raises(AttributeError):
        times.measure(lambda: model(None, mode='tensor'), 1)
    assert dict(vars(model.head)) == before
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.slow
def test_a_failed_setting_is_a_row_and_the_others_go_on(stem):
    result = benchmark_model(stem, 'infer', settings=['fp32+compile', 'fp32'], backend='no_such', **SMALL)
    failed, good = result['rows']
    assert 'no_such' in failed['error']
    assert 'ms_per_step' not in failed
    assert good['error'] is None
    assert good['ratio'] is None
    assert result['operations']['passes'] == 1
    report = model_report(result)
    assert 'failed' in report
    assert failed['error'] in report


@pytest.mark.slow
def test_the_recipe_counts_the_operations_of_the_original():
    work = count_work(load_config(CONFIGS / 'poster_var/raf.py'), 'train')
    assert (work['per_image'], work['passes']) == (17.19e9, 6)
    assert 15e9 < work['counted'] < 16e9  # of the last block only the class token is computed
    assert work['trained_parameters'] < work['parameters']  # the landmark stream stays frozen without its file
    assert 'pretrained/ir50.pth' in work['not_read'][0]


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('compile', 'one of fp32, tf32'),
        ('fp32+bf16', 'one of fp32, tf32'),
        ('fp32+fast', 'channels_last, checkpoint_activations, compile, cudagraphs'),
        ('tf32', 'for GPUs'),
        ('bf16+cudagraphs', 'for GPUs'),
        ('bf16+onnx', r'as fp32\+onnx'),
        ('int8', r'as int8\+onnx'),
    ],
)
def test_settings_that_cannot_be(text, message):
    with pytest.raises(ValueError, match=message):
        Setting.parse(text, CPU)


def test_the_batch_is_what_a_loader_gives():
    data = stand_in_batch(load_config(CONFIGS / 'poster_var/raf.py'), 'train', 9)
    assert [(tuple(x.shape), x.dtype) for x in data['inputs']] == [((3, 224, 224), torch.uint8)] * 9
    assert [int(sample.gt_label) for sample in data['data_samples']] == [*range(7), 0, 1]


def test_images_that_are_stored_at_the_size_of_the_network():
    data = stand_in_batch(load_config(CONFIGS / 'poster_var/ferplus_small.py'), 'train', 2)
    assert [tuple(x.shape) for x in data['inputs']] == [(3, 48, 48)] * 2


@pytest.mark.parametrize('option', [dict(steps=0), dict(rounds=0), dict(batches=[4, 0]), dict(warmup=-1)])
def test_arguments_out_of_bounds(option):
    with pytest.raises(ValueError, match=next(iter(option))):
        benchmark_model(CONFIGS / 'poster_var/synth.py', **option)


@pytest.mark.parametrize('kind', KINDS)
def test_batches_of_joined_data(kind):
    config = load_config(CONFIGS / 'poster_var/synth.py')
    part = config.train_dataloader.dataset
    config.train_dataloader.dataset = nested(kind, part, part)
    assert [img.shape for img in stand_in_batch(config, 'train', 2)['inputs']] == [(3, part.size, part.size)] * 2
    assert len(train_pipeline(config).transforms) == len(part.pipeline)
    config.train_dataloader.dataset = nested(kind, part, dict(part, pipeline=part.pipeline[1:]))
    for read in (train_pipeline, partial(stand_in_batch, mode='train', size=2)):
        with pytest.raises(ValueError, match='train_dataloader: its 2 data sets have different pipelines'):
            read(config)


def test_peaks_and_arithmetic_are_restored():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    with fp32_arithmetic(tf32=True, cudnn_benchmark=True):
        assert torch.get_float32_matmul_precision() == 'high'
        assert torch.backends.cudnn.allow_tf32
    peak = machine_peak('fp32', CPU, repeats=2)
    assert set(peak) == {'matmul', 'conv'}
    assert min(peak.values()) > 0
    after = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    assert after == before
