"""The script for GPUs: its parts on a CPU, and what becomes of those that fail."""

import json

import gpu
import pytest
from processes import load_tool


def test_share_of_bf16s_peak():
    found = dict(peaks=dict(bf16=dict(matmul=4e3, conv=2e3)), operations=dict(per_image=10.0, passes=6.0))
    row = dict(error=None, images_per_second=20.0)
    assert gpu.of_bf16(row, found) == dict(matmul=0.3, conv=0.6)
    assert gpu.of_bf16(dict(row, error='out of memory'), found) is None
    assert gpu.of_bf16(row, dict(found, peaks=dict(fp32={}))) is None


def test_exported_model(tmp_path):
    pytest.importorskip('onnxruntime')
    saved = []
    gpu.run_onnx(saved.append, True, 10)
    assert [(row['device'], row['batch']) for row in saved[-1]['rows'] if row['device'] == 'cpu'] == [
        ('cpu', 1),
        ('cpu', 4),
    ]
    assert all(row['largest_difference'] < 1e-3 for row in saved[-1]['rows'])


def test_parts_that_fail_are_logged_and_the_others_go_on(tmp_path, monkeypatch, capfd):
    parts = dict(unknown=gpu.PARTS['onnx'], ddp=gpu.PARTS['ddp']._replace(seconds=1))
    monkeypatch.setattr(gpu, 'PARTS', parts)
    out = tmp_path / 'gpu.json'
    found = gpu.run_all(False, 9, list(parts), out)
    assert json.loads(out.read_text()) == found
    assert found['parts']['unknown']['status'] == 'failed'
    assert 'invalid choice' in found['parts']['unknown']['error']
    assert found['parts']['ddp']['status'] == 'not run'
    assert 'unknown: failed' in capfd.readouterr().out


def test_a_part_is_stopped_in_time(tmp_path):
    found = gpu.run_part('ddp', True, 0.5, tmp_path / 'part.json')
    assert found['status'] == 'out of time'
    assert 'result' not in found


def test_what_a_stopped_part_had_measured_is_kept(tmp_path):
    (tmp_path / 'part.json').write_text('{"rows": []}')
    assert gpu.run_part('ddp', True, 0.5, tmp_path / 'part.json')['result'] == dict(rows=[])


@pytest.mark.slow
def test_everything_in_its_small_setting(tmp_path):
    found = gpu.run_all(True, 60, list(gpu.PARTS), tmp_path / 'gpu.json')
    assert {name: part.get('error') for name, part in found['parts'].items()} == dict.fromkeys(gpu.PARTS)
    rows = found['parts']['train']['result']['rows']
    assert [(row['batch'], row['setting'], row['error']) for row in rows] == [(2, 'fp32', None), (2, 'bf16', None)]
    assert found['parts']['ddp']['result']['ddp']['epochs'] == 1


def test_tables_of_a_gpus_log(tmp_path, monkeypatch):
    tables = load_tool('docs/write_tables.py')
    monkeypatch.setattr(tables, 'RESULTS', tmp_path)
    assert set(tables.gpu().split('|')[13:20]) <= {' --- ', ' ---: ', '\n', ' fp32 ', ' not measured '}
    row = dict(batch=48, setting='bf16', error=None, images_per_second=1234.5, of_bf16_peak=dict(matmul=0.25, conv=0.5))
    training = dict(epochs=4, training_seconds=40.4, images_per_s=5000.0, validation=[dict(accuracy=71.25)])
    parts = dict(
        train=dict(status='out of time', result=dict(rows=[row, dict(row, batch=144, error='out of memory')])),
        onnx=dict(result=dict(rows=[dict(device='cpu', batch=1, ms=3.0), dict(device='gpu', batch=1, ms=0.5)])),
        ddp=dict(result=dict(plain=dict(images_per_s=100.0), ddp=dict(images_per_s=90.0))),
        ferplus_small=dict(result=training),
        ferplus=dict(status='failed'),
    )
    (tmp_path / 'speed').mkdir()
    for small in (True, False):
        (tmp_path / 'speed/gpu.json').write_text(json.dumps(dict(small=small, parts=parts)))
        assert ('1,234 (0.250) | not measured' in tables.gpu()) is not small
        for text in ('batch 1 | 0.50 ms', '0.90 times', '4 epochs in 40 s, 5,000 images/s, validation accuracy 71.2 %'):
            assert (text in tables.gpu_parts()) is not small
    assert tables.gpu_parts().count('not measured') == 1
