import json

import cv2
from processes import ROOT

TOOL = 'mmfer plot curves'


def test_runs_seeds_and_published_logs(tmp_path, call_tool):
    for seed in (0, 1):
        path = tmp_path / f'run/seed_{seed}/20260101_000000/vis_data/scalars.json'
        path.parent.mkdir(parents=True)
        records = [dict(loss=2.0 / i + seed, epoch=i, iter=90 * i, step=90 * i) for i in (1, 2, 3)]
        path.write_text(''.join(json.dumps(record) + '\n' for record in records))
    published = sorted((ROOT / 'docs/results').glob('poster_*_synth.jsonl'))
    args = (*published, tmp_path / 'run', '--out', tmp_path / 'curves.png', '--smooth')
    code, out, error = call_tool(TOOL, *args)
    assert code == 0, error
    assert 'note: run has no val/accuracy' in out
    assert cv2.imread(str(tmp_path / 'curves.png')).shape[1] > 1000


def test_mistakes_are_said_in_one_line(tmp_path, call_tool):
    code, _, error = call_tool(TOOL, tmp_path, '--out', tmp_path / 'x.png')
    assert code == 1
    assert error.startswith('error: ')
    assert 'no logs' in error
    assert not (tmp_path / 'x.png').exists()
