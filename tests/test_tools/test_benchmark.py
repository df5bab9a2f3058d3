import json

import pytest

from mmfer.apis import machine_peak

TOOL = 'tools/analysis/benchmark.py'


@pytest.fixture(autouse=True)
def _small_peak(monkeypatch):
    monkeypatch.setitem(machine_peak.SIZES, 'cpu', (32, (1, 4, 8), 1))


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


def test_nothing_that_could_be_measured_is_an_error(call_tool, root, tmp_path):
    out = tmp_path / 'times.json'
    options = ('--mode', 'infer', '--batch', 1, '--compare', 'fp32+compile', '--compile-backend', 'no_such')
    code, _, error = call_tool(TOOL, root / 'configs/poster_var/synth.py', *options, '--out', out)
    assert code == 1
    assert 'error: no setting could be measured' in error
    assert 'no_such' in json.loads(out.read_text())['rows'][0]['error']
