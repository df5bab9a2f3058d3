import json

import pytest

from mmfer.apis import load_config
from mmfer.benchmark import machine_peak

TOOL = 'tools/analysis/benchmark.py'


@pytest.fixture(autouse=True)
def _small_peak(monkeypatch):
    monkeypatch.setitem(machine_peak.SIZES, 'cpu', (32, (1, 4, 8), 1))
    monkeypatch.setattr('mmfer.benchmark.model.keep_freed_memory', lambda: False)  # of the other tests' process


def test_data(call_tool, root, tmp_path):
    out = tmp_path / 'times.json'
    config = root / 'configs/poster_var/raf.py'
    options = ('--mode', 'data', '--num', 3, '--repeat', 1, '--size', 30, '--out', out)
    code, printed, error = call_tool(TOOL, config, *options)
    assert code == 0, error
    for text in ('torchvision + PIL', 'times as fast', 'ColorJitter', 'FERDataPreprocessor'):
        assert text in printed
    assert json.loads(out.read_text())['num'] == 3
    assert [path.name for path in tmp_path.iterdir()] == ['times.json']


def test_list(call_tool, tmp_path, monkeypatch):
    from mmfer.benchmark import image_list as module

    small = module.benchmark_list
    monkeypatch.setattr(module, 'benchmark_list', lambda repeat: small(num=3000, workers=1, repeat=repeat))
    out = tmp_path / 'list.json'
    code, printed, error = call_tool(TOOL, 'x.py', '--mode', 'list', '--repeat', 1, '--out', out)
    assert code == 0, error
    assert '3000 entries: open in' in printed
    assert json.loads(out.read_text())['num'] == 3000


def test_a_step_without_counterpart_is_one_line(call_tool, root, tmp_path):
    out = tmp_path / 'times.json'
    code, _, error = call_tool(TOOL, root / 'configs/poster_var/fer2013.py', '--mode', 'data', '--out', out)
    assert code == 1
    assert error.startswith('error: RandomResizedCrop has no counterpart in torchvision here')
    assert not out.exists()


def test_training(call_tool, root, tmp_path):
    out = tmp_path / 'times.json'
    options = ('--mode', 'train', '--batch', 2, '--steps', 1, '--rounds', 1, '--warmup', 0, '--amp', '--out', out)
    code, printed, error = call_tool(TOOL, root / 'configs/poster_var/synth.py', *options)
    assert code == 0, error
    for text in ('3x3 convolution', 'batch 2', 'x 3 for a training step of OptimWrapper around AdamW'):
        assert text in printed
    assert [row['setting'] for row in json.loads(out.read_text())['rows']] == ['fp32', 'bf16']


def test_everything_in_one_run(call_tool, root, tmp_path):
    pytest.importorskip('onnxruntime')
    config = load_config(root / 'configs/poster_var/synth.py')
    config.train_dataloader = load_config(root / 'configs/poster_var/raf.py').train_dataloader
    config.dump(tmp_path / 'config.py')
    out = tmp_path / 'times.json'
    options = ('--mode', 'all', '--batch', 2, '--steps', 1, '--rounds', 1, '--warmup', 0, '--onnx')
    data = ('--num', 3, '--repeat', 1, '--size', 40, '--out', out)
    code, printed, error = call_tool(TOOL, tmp_path / 'config.py', *options, *data)
    assert code == 0, error
    for text in ('parts of fp32+optimized', 'optimizer and the rest', 'step of mmfer'):
        assert text in printed
    result = json.loads(out.read_text())
    settings = {mode: [row['setting'] for row in result[mode]['rows']] for mode in ('infer', 'train')}
    assert settings == dict(infer=['fp32', 'fp32+optimized', 'fp32+onnx'], train=['fp32'])
    assert result['data']['num'] == 3


def test_a_pipeline_that_cannot_be_compared_leaves_the_rest(call_tool, root, tmp_path):
    out = tmp_path / 'times.json'
    options = ('--mode', 'all', '--batch', 1, '--steps', 1, '--rounds', 1, '--warmup', 0, '--compare', 'fp32')
    code, printed, error = call_tool(TOOL, root / 'configs/poster_var/synth.py', *options, '--out', out)
    assert code == 0, error
    assert 'data cannot be measured: the pipeline must begin with LoadImageFromFile' in printed
    result = json.loads(out.read_text())
    assert 'LoadImageFromFile' in result['data']['error']
    assert result['train']['rows'][0]['error'] is None


def test_two_configs(call_tool, root, tmp_path):
    out = tmp_path / 'times.json'
    options = ('--mode', 'infer', '--batch', 1, '--steps', 1, '--rounds', 1, '--warmup', 0, '--compare', 'fp32')
    against = root / 'configs/poster_var/synth_linear.py'
    config = root / 'configs/poster_var/synth.py'
    code, printed, error = call_tool(TOOL, config, *options, '--against', against, '--out', out)
    assert code == 0, error
    assert f'against {against}' in printed
    assert [row['config'] for row in json.loads(out.read_text())['rows']] == [str(config), str(against)]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (('--mode', 'infer', '--compare', 'fp32', '--onnx'), '--compare names the settings itself'),
        (('--mode', 'data', '--against', 'x.py'), '--against compares models'),
    ],
)
def test_options_that_do_not_fit(call_tool, root, capfd, options, message):
    with pytest.raises(SystemExit, match='2'):
        call_tool(TOOL, root / 'configs/poster_var/synth.py', *options)
    assert message in capfd.readouterr().err


def test_nothing_that_could_be_measured_is_an_error(call_tool, root, tmp_path):
    out = tmp_path / 'times.json'
    options = ('--mode', 'infer', '--batch', 1, '--compare', 'fp32+compile', '--compile-backend', 'no_such')
    code, _, error = call_tool(TOOL, root / 'configs/poster_var/synth.py', *options, '--out', out)
    assert code == 1
    assert 'error: no setting could be measured' in error
    assert 'no_such' in json.loads(out.read_text())['rows'][0]['error']
