"""A training that is killed, anywhere and often, ends bit for bit as one that is left alone."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from killed_runs import outcome

SCRIPT = Path(__file__).resolve().parents[2] / 'killed_runs.py'


def play(scenarios):
    env = dict(os.environ, OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='')
    args = [sys.executable, SCRIPT, json.dumps(scenarios)]
    result = subprocess.run(args, env=env, capture_output=True, text=True, timeout=3000)
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


def pair(folder, name, case, epochs, kills, processes=1):
    common = dict(case=case, epochs=epochs, processes=processes)
    left_alone = dict(common, work_dir=str(folder / f'{name}_left_alone'))
    return [left_alone, dict(common, work_dir=str(folder / f'{name}_killed'), kills=kills)]


def check(folder, name, epochs, report, kills, least=500):
    logs = {which: (folder / f'{name}_{which}.log') for which in ('left_alone', 'killed')}
    assert not any(report[0]['codes'] + report[1]['codes']), logs['killed'].read_text()[-3000:]
    assert report[1]['starts'] == kills + 1
    for left in report[1]['left'][:-1]:
        expected = dict(term=143, term_in_validation=143, full=1).get(left['kill'][0], -9)
        assert left['codes'] == [expected] * len(left['codes']) or expected < 0 and left['codes'][0] < 0, left
    left_alone, killed = (outcome(folder / f'{name}_{which}', epochs) for which in ('left_alone', 'killed'))
    assert len(left_alone) > least
    assert [key for key in left_alone if left_alone[key] != killed.get(key)] == []
    assert left_alone.keys() == killed.keys()
    assert not list((folder / f'{name}_killed').glob('.*part'))


DISTRIBUTED = pytest.mark.skipif(not torch.distributed.is_available(), reason='this PyTorch has no torch.distributed')
FEW = [['write', 150], ['replace', 2], ['term', 3], ['fsync', 4]]
FEW_OF_TWO = [['replace', 1], ['term', 3], ['full', 1], ['unlink', 2]]
COMPILED = [['term', 3]]


@pytest.fixture(scope='module')
def few(tmp_path_factory):
    """With SAM, EMA, bfloat16, augmentation and persistent workers."""
    folder = tmp_path_factory.mktemp('few')
    scenarios = pair(folder, 'one', 'everything', 3, FEW)
    if torch.distributed.is_available():
        scenarios += pair(folder, 'two', 'everything', 3, FEW_OF_TWO, processes=2)
        scenarios += pair(folder, 'compiled', 'compiled', 2, COMPILED, processes=2)
    return folder, play(scenarios)


def test_killed_a_few_times(few):
    folder, report = few
    left = report[1]['left']
    assert left[0]['parts'] == 1  # in the middle of the first checkpoint
    assert 'epoch_1.pth' in left[1]['files']
    assert 'epoch_1_iter_7.pth' in left[2]['files']
    check(folder, 'one', 3, report, len(FEW))


@DISTRIBUTED
def test_two_processes_killed_a_few_times(few):
    folder, report = few
    assert 'epoch_1_iter_3.pth' in report[3]['left'][1]['files']
    check(folder, 'two', 3, report[2:4], len(FEW_OF_TWO))


@DISTRIBUTED
def test_two_compiled_processes_stopped(few):
    folder, report = few
    assert 'compile: the first step compiles' in (folder / 'compiled_killed.log').read_text()
    check(folder, 'compiled', 2, report[4:], len(COMPILED), least=100)  # a small network


def random_kills(number, seed):
    rng = random.Random(seed)
    kills = []
    for i in range(number):
        kind = ('write', 'time', 'fsync', 'write', 'term', 'replace', 'time', 'unlink', 'write', 'term_in_validation')
        top = dict(write=2500, fsync=5, replace=3, unlink=3, term=5, term_in_validation=2, time=3.5)[kind[i % 10]]
        kills.append([kind[i % 10], rng.uniform(0.2, top) if kind[i % 10] == 'time' else rng.randint(1, top)])
    return kills


@pytest.mark.long
@pytest.mark.parametrize('case', ['plain', 'fresh_workers', 'no_workers', 'everything'])
def test_killed_twenty_times(tmp_path, case):
    kills = random_kills(20, seed=len(case))
    report = play(pair(tmp_path, case, case, 24, kills))
    check(tmp_path, case, 24, report, len(kills))


@pytest.mark.long
@DISTRIBUTED
def test_two_processes_killed_twenty_times(tmp_path):
    kills = random_kills(20, seed=2)
    report = play(pair(tmp_path, 'two', 'everything', 24, kills, processes=2))
    check(tmp_path, 'two', 24, report, len(kills))
