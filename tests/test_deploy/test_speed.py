import exports
import pytest

from mmfer.deploy import compare_speed, export_onnx, speed_report
from mmfer.deploy import speed as module


def test_both_take_turns(tmp_path, monkeypatch):
    config = exports.config_of()
    checkpoint = exports.write(config, tmp_path / 'a.pth')
    export_onnx(config, checkpoint, tmp_path / 'a.onnx')
    now, calls = [0.0], []

    def slowed(name, seconds):
        original = getattr(module, name).__call__

        def call(self, images):
            calls.append((name, len(images)))
            now[0] += seconds * len(images) * (10 if calls.count((name, len(images))) == 1 else 1)
            return original(self, images)

        monkeypatch.setattr(getattr(module, name), '__call__', call)

    slowed('TorchClassifier', 0.2)
    slowed('OnnxClassifier', 0.08)
    arguments = (tmp_path / 'a.onnx', config, checkpoint)
    result = compare_speed(*arguments, batches=(1, 4), rounds=2, clock=lambda: now[0])
    turn = 2 * ['TorchClassifier'] + 2 * ['OnnxClassifier']
    assert calls == [(name, size) for size in (1, 4) for name in 2 * turn]
    assert [row['batch'] for row in result['rows']] == [1, 4]
    for row in result['rows']:  # the first, slow call does not count
        assert row['ratio'] == pytest.approx(2.5)
        assert row['pytorch']['worst'] == pytest.approx(200 * row['batch'])
        assert row['onnx']['median'] == pytest.approx(80 * row['batch'])
    text = speed_report(result)
    assert 'median of 2 rounds in turn' in text
    assert text.count('2.50') == 2
    assert f'onnxruntime {result["versions"]["onnxruntime"]}' in text
    for options in (dict(rounds=0), dict(batches=(0,)), dict(batches=())):
        with pytest.raises(ValueError, match='numbers from 1 on'):
            compare_speed(*arguments, **options)
