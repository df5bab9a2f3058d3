"""The command in every mode, in this process, on as little as possible."""

import json

import machine
import model_steps
import pytest

from mmfer.apis import load_config

TOOL = 'benchmarks/speed.py'
ONE_STEP = ('--steps', 1, '--rounds', 1, '--warmup', 0)
TINY = 'configs/poster_var/synth.py'


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


def test_data(measure):
    code, printed, error, result = measure(
        'configs/poster_var/raf.py', '--mode', 'data', '--num', 3, '--repeat', 3, '--size', 30
    )
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


@pytest.mark.slow
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


def test_only_models_are_compared(measure, capfd):
    with pytest.raises(SystemExit, match='2'):
        measure(TINY, '--mode', 'data', '--against', 'x.py')
    assert '--against compares models' in capfd.readouterr().err
