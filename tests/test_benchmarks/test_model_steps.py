import json
from functools import partial
from pathlib import Path

import machine
import model_steps
import numpy as np
import pytest
import torch
from image_pipeline import train_pipeline
from machine import PeakMemory, fp32_arithmetic, machine_peak
from model_steps import benchmark_model, count_work
from nested_data import KINDS, nested
from part_times import PartTimes
from report import compile_text, model_report
from torch import nn
from trial import Setting, Trial, build_model, build_wrapper, onnx_session

from mmfer.apis import load_config
from mmfer.inference.export.export_model import predictions
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


def test_inference_in_pytorch_and_in_onnxruntime():
    pytest.importorskip('onnx')
    pytest.importorskip('onnxruntime')
    config = load_config(CONFIGS / 'poster_var/synth.py')
    settings = ['fp32', 'fp32+channels_last', 'fp32+onnx']
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


def test_onnxruntime_is_given_the_images_that_the_model_is():
    pytest.importorskip('onnx')
    pytest.importorskip('onnxruntime')
    config = load_config(CONFIGS / 'poster_var/synth.py')
    data = stand_in_batch(config, 'infer', 3)
    model = build_model(config)[0].eval()
    with torch.no_grad():
        (expected, *_) = predictions(model, model.data_preprocessor(data, False)['inputs']).values()
    np.testing.assert_allclose(onnx_session(model, data)().numpy(), expected.numpy(), atol=1e-5)


def test_two_configs_take_turns(stem):
    other = load_config(CONFIGS / 'poster_var/synth.py')
    settings = ['fp32', 'fp32+channels_last']
    result = benchmark_model(stem, 'infer', settings=settings, against=other, **SMALL)
    rows = [(row['setting'], Path(row['config']).name, row['error']) for row in result['rows']]
    assert rows == [(text, name, None) for text in settings for name in ('synth_sam.py', 'synth.py')]
    assert result['rows'][0]['ratio'] == 1
    assert result['operations']['counted'] < result['operations_against']['counted']
    first, second = result['rows'][:2]
    for row, work in ((first, result['operations']), (second, result['operations_against'])):
        speed = row['images_per_second'] * work['per_image']
        assert row['of_peak']['conv'] == pytest.approx(speed / result['peaks']['fp32']['conv'])
    assert 'against' in model_report(result)
    assert f'fp32, {other.filename}' in model_report(result)


def test_parts_of_a_training_step(stem):
    result = benchmark_model(load_config(CONFIGS / 'poster_var/synth.py'), settings=['fp32'], parts=True, **SMALL)
    parts = {part['name']: part for part in result['rows'][0]['parts']}
    assert list(parts)[-1] == 'the rest'
    for name in ('backbone.image', 'neck', 'head'):
        assert min(parts[name]['forward_ms'], parts[name]['backward_ms']) > 0
    assert parts['the rest']['forward_ms'] > 0
    parts = {part['name'] for part in benchmark_model(stem, parts=True, **SMALL)['rows'][0]['parts']}
    assert {'backbone', 'head'} <= parts
    assert not parts & {'backbone.image', 'neck'}


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


def test_peak_memory_on_a_cpu():
    memory = PeakMemory(CPU)
    if memory.mb() is None:
        pytest.skip('this system does not tell the highest memory of a process, or does not forget it')
    memory.restart()
    block = torch.ones(64 * 2**20, dtype=torch.uint8)
    del block
    assert 60 < memory.mb() < 200


def test_sam_on_every_step_counts_six(stem):
    options = {'optim_wrapper.interval': 1}
    result = benchmark_model(stem, 'train', settings=['fp32'], cfg_options=options, **SMALL)
    assert result['operations']['passes'] == 6
    assert stem.optim_wrapper.interval == 2


def test_the_poster_var_is_one_graph():
    config = load_config(CONFIGS / 'poster_var/synth.py')
    result = benchmark_model(config, 'infer', settings=['fp32+compile'], backend='eager', **SMALL)
    counts = dict(graphs=1, graph_breaks=0, fallbacks=0, graphs_later=0)
    assert result['rows'][0]['compiled'] == counts


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


def test_results_that_are_not_finite_fail(monkeypatch):
    config = load_config(CONFIGS / 'poster_var/synth.py')
    trial = Trial(config, 'infer', Setting.parse('fp32', CPU), CPU, stand_in_batch(config, 'infer', 2), 'eager', 0)
    normalise = 'mmfer.models.data_preprocessor.FERDataPreprocessor.normalise'
    monkeypatch.setattr(normalise, lambda self, images: torch.full((2, 3, 40, 40), float('nan')))
    trial.start(0)
    trial.measure(1)
    assert trial.error == 'FloatingPointError: the loss or the logits are not finite'
    assert trial.ms == []


def test_the_recipe_counts_the_operations_of_the_original():
    work = count_work(load_config(CONFIGS / 'poster_var/raf.py'), 'train')
    assert (work['per_image'], work['passes']) == (17.19e9, 6)
    assert 15e9 < work['counted'] < 16e9  # of the last block only the class token is computed
    assert work['trained_parameters'] < work['parameters']  # the landmark stream stays frozen without its file
    assert 'pretrained/ir50.pth' in work['not_read'][0]


def test_the_batch_is_what_a_loader_gives():
    data = stand_in_batch(load_config(CONFIGS / 'poster_var/raf.py'), 'train', 9)
    assert [(tuple(x.shape), x.dtype) for x in data['inputs']] == [((3, 224, 224), torch.uint8)] * 9
    assert [int(sample.gt_label) for sample in data['data_samples']] == [*range(7), 0, 1]


def test_precisions_of_the_optimizer_wrapper():
    config = load_config(CONFIGS / 'poster_var/synth.py')
    config.optim_wrapper.update(type='AutocastOptimWrapper', dtype='float16', loss_scale=8.0)
    model, _ = build_model(config)
    assert build_wrapper(config, model, 'fp32').cast_dtype is None
    assert build_wrapper(config, model, 'bf16').cast_dtype == torch.bfloat16
    assert build_wrapper(config, model, 'fp16').cast_dtype == torch.float16
    assert config.optim_wrapper.dtype == 'float16'
    config.optim_wrapper.type = 'AmpOptimWrapper'  # MMEngine's has no full precision
    assert build_wrapper(config, model, 'fp32').cast_dtype is None


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('compile', 'one of fp32, tf32'),
        ('fp32+bf16', 'one of fp32, tf32'),
        ('fp32+fast', 'channels_last, checkpoint_activations, compile, cudagraphs'),
        ('tf32', 'for GPUs'),
        ('bf16+cudagraphs', 'for GPUs'),
        ('bf16+onnx', r'as fp32\+onnx'),
    ],
)
def test_settings_that_cannot_be(text, message):
    with pytest.raises(ValueError, match=message):
        Setting.parse(text, CPU)


def test_settings_of_inference_alone():
    with pytest.raises(ValueError, match='for inference'):
        Setting.parse('fp32+onnx', CPU, 'train')


def test_settings_of_training_alone():
    with pytest.raises(ValueError, match='for training'):
        Setting.parse('fp32+checkpoint_activations', CPU)
    with pytest.raises(ValueError, match='checkpoint_activations and compile do not go together'):
        Setting.parse('fp32+checkpoint_activations+compile', CPU, 'train')


def test_recomputing_needs_names_of_parts():
    path = CONFIGS / 'poster_var/synth.py'
    settings = ['fp32', 'fp32+checkpoint_activations']
    with pytest.raises(ValueError, match='needs the names of the parts'):
        benchmark_model(path, 'train', settings=settings, **SMALL)
    options = dict(cfg_options=dict(checkpoint_activations=['backbone.image.stages.0']), **SMALL)
    result = benchmark_model(path, 'train', settings=settings, **options)
    assert [row['error'] for row in result['rows']] == [None, None]


def test_settings():
    assert Setting.parse('bf16+compile', CPU) == ('bf16+compile', 'bf16', {'compile'}, True)


@pytest.mark.parametrize('option', [dict(steps=0), dict(rounds=0), dict(batches=[4, 0]), dict(warmup=-1)])
def test_arguments_out_of_bounds(option):
    with pytest.raises(ValueError, match=next(iter(option))):
        benchmark_model(CONFIGS / 'poster_var/synth.py', **option)


def test_configs_that_lack_a_part():
    config = load_config(CONFIGS / 'poster_var/synth.py')
    model, _ = build_model(config)
    config.optim_wrapper = config.test_dataloader = None
    with pytest.raises(ValueError, match='no optim_wrapper'):
        build_wrapper(config, model, 'fp32')
    with pytest.raises(ValueError, match='test_dataloader.dataset has no pipeline'):
        stand_in_batch(config, 'infer', 1)


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


def test_random_numbers_of_the_caller_are_kept(stem):
    np.random.seed(4)
    torch.manual_seed(4)
    expected = np.random.rand(), torch.rand(1)
    np.random.seed(4)
    torch.manual_seed(4)
    benchmark_model(stem, 'infer', **SMALL)
    assert (np.random.rand(), torch.rand(1)) == expected


def test_compilation_in_words():
    counts = dict(graphs=3, graph_breaks=1, fallbacks=0, graphs_later=0)
    assert compile_text(counts) == '3 graph(s), 1 break(s)'
    counts.update(fallbacks=2, graphs_later=1)
    assert compile_text(counts) == '3 graph(s), 1 break(s), 2 frame(s) not compiled, 1 recompiled while timed'
