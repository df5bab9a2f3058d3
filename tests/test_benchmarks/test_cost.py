"""Every part of the curves on as little as possible, and the exponents of known curves."""

import json

import cost
import pytest

SIZES = (40, 80)


@pytest.mark.parametrize(('power', 'constant'), [(1, 0), (1, 50), (2, 7), (0.5, 0)])
def test_exponents(power, constant):
    found, value = cost.fit([10, 20, 40, 80], [constant + 3 * n**power for n in (10, 20, 40, 80)])
    assert found == pytest.approx(power, abs=0.02)
    assert value(160) == pytest.approx(constant + 3 * 160**power, rel=0.05)


def run(name, folder, monkeypatch):
    monkeypatch.setattr(cost, 'METHODS', 2)
    monkeypatch.setattr(cost, 'SEEDS', 2)
    part = cost.PARTS[name]
    part.prepare(folder, SIZES)
    return part.work(folder, SIZES[1])


@pytest.mark.parametrize('name', ['report', 'verify', 'copies', 'bootstrap'])
def test_part(name, tmp_path, monkeypatch):
    run(name, tmp_path, monkeypatch)
    if name == 'report':
        assert json.loads((tmp_path / 'report_80/report.json').read_text())['images'] == 80


@pytest.mark.slow
def test_training_and_test(tmp_path, monkeypatch):
    monkeypatch.setattr(cost, 'measured', lambda work: work())
    run('test', tmp_path, monkeypatch)
    assert (tmp_path / 'train_128/epoch_1.pth').exists()
    assert len(json.loads((tmp_path / 'test_80/predictions.json').read_text())['predictions']) == 80


def test_a_process_of_its_own(capfd):
    found = cost.measured(lambda: bytearray(64 << 20).find(b'\1'))
    assert 55 < found['mb'] < 80
    assert found['s'] >= 0
    with pytest.raises(RuntimeError, match='a part failed'):
        cost.measured(lambda: 1 / 0)
    assert 'ZeroDivisionError' in capfd.readouterr().err


def test_results_of_other_parts_stay(call_tool, tmp_path, monkeypatch):
    measured = iter(dict(cpu_s=n / 10, s=n / 5, mb=float(n)) for n in (0, 20, 40, 80, 160))
    monkeypatch.setattr(cost, 'measured', lambda work: next(measured))
    out = tmp_path / 'cost.json'
    out.write_text('{"train": {}}')
    code, printed, _ = call_tool(cost, 'verify', '--sizes', 20, 40, 80, 160, '--out', out)
    assert code == 0
    assert 'exponents: time 1.00, memory 1.00' in printed
    found = json.loads(out.read_text())
    assert list(found) == ['train', 'verify']
    assert found['verify']['exponent'] == dict(cpu_s=1.0, mb=1.0)
    assert found['verify']['wanted']['cpu_s'] == pytest.approx(30_000, rel=0.01)
