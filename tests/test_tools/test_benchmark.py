import json
import subprocess
import sys


def run(root, *arguments):
    command = [sys.executable, 'tools/analysis/benchmark.py', *map(str, arguments)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300)


def test_data(root, tmp_path):
    out = tmp_path / 'times.json'
    arguments = ('configs/poster_var/raf.py', '--mode', 'data', '--num', 3, '--repeat', 1, '--size', 30, '--out', out)
    done = run(root, *arguments)
    assert done.returncode == 0, done.stderr
    for text in ('torchvision + PIL', 'times as fast', 'ColorJitter', 'FERDataPreprocessor'):
        assert text in done.stdout
    assert json.loads(out.read_text())['num'] == 3
    assert [path.name for path in tmp_path.iterdir()] == ['times.json']


def test_a_step_without_counterpart_is_one_line(root, tmp_path):
    out = tmp_path / 'times.json'
    done = run(root, 'configs/poster_var/fer2013.py', '--mode', 'data', '--out', out)
    assert done.returncode == 1
    assert 'error: RandomResizedCrop has no counterpart in torchvision here' in done.stderr
    assert 'Traceback' not in done.stderr
    assert not out.exists()
