import json
import os
import subprocess
import sys
from pathlib import Path

import cv2

ROOT = Path(__file__).resolve().parents[2]


def plot(*args):
    env = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1', MPLBACKEND='tkagg', DISPLAY='')
    args = [sys.executable, ROOT / 'tools/analysis/plot_curves.py', *args]
    return subprocess.run([str(a) for a in args], env=env, capture_output=True, text=True, timeout=300)


def test_runs_seeds_and_published_logs(tmp_path):
    for seed in (0, 1):
        path = tmp_path / f'run/seed_{seed}/20260101_000000/vis_data/scalars.json'
        path.parent.mkdir(parents=True)
        records = [dict(loss=2.0 / i + seed, epoch=i, iter=90 * i, step=90 * i) for i in (1, 2, 3)]
        path.write_text(''.join(json.dumps(record) + '\n' for record in records))
    published = sorted((ROOT / 'docs/results').glob('poster_*_synth.jsonl'))
    result = plot(*published, tmp_path / 'run', '--out', tmp_path / 'curves.png', '--smooth')
    assert result.returncode == 0, result.stderr
    assert 'note: run has no val/accuracy' in result.stdout
    assert cv2.imread(str(tmp_path / 'curves.png')).shape[1] > 1000


def test_mistakes_are_said_in_one_line(tmp_path):
    result = plot(tmp_path, '--out', tmp_path / 'x.png')
    assert result.returncode == 1
    assert 'no logs' in result.stderr
    assert 'Traceback' not in result.stderr
    assert not (tmp_path / 'x.png').exists()
