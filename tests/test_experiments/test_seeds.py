import json
import statistics
import sys
from pathlib import Path

import pytest

from mmfer.experiments import schedule
from mmfer.experiments.schedule import Task
from mmfer.experiments.seeds import (
    array_seed,
    check_seeds,
    plan_seeds,
    seeds_table,
    summarise,
    train_seeds,
    write_seeds,
)

SETTINGS = {'model.type': 'Net', 'train_cfg.max_epochs': 7}

# A training of no time: {seed} -> accuracy 80 + seed; seed 3 fails, seed 5 is killed, seed 7 ends without its marker.
TRAINING = """
import json, os, pathlib, signal, sys
words = sys.argv[1:]
seed, folder = int(words[words.index('--seed') + 1]), pathlib.Path(words[words.index('--work-dir') + 1])
folder.mkdir(parents=True, exist_ok=True)
(folder / 'epoch_1.pth').touch()
with open(folder / 'trained', 'a') as file:
    file.write(' '.join(words[6:]) + '\\n')
if seed == 3:
    sys.exit(3)
if seed == 5:
    os.kill(os.getpid(), signal.SIGKILL)
if seed != 7:
    metrics = dict(accuracy=80.0 + seed, macro_f1=None if seed == 2 else 70.0)
    best = dict(metrics, accuracy=90.0 + seed)
    content = dict(seed=seed, processes=1, epochs=7, iterations=70, last=metrics, best=best, best_by='accuracy',
                   best_epoch=4, config_hash='h', settings={settings!r})
    (folder / 'finished.json').write_text(json.dumps(content))
"""


@pytest.fixture(autouse=True)
def training(tmp_path, monkeypatch):
    script = tmp_path / 'training.py'
    script.write_text(TRAINING.replace('{settings!r}', repr(SETTINGS)))
    monkeypatch.setattr(schedule, 'command', lambda *words, processes=1: [sys.executable, '-S', str(script), *words])


def train(work, seeds, settings=SETTINGS, processes=1, **options):
    lines = []
    tasks = plan_seeds('c.py', seeds, work, settings, processes)
    code = train_seeds(tasks, work, say=lines.append, **options)
    return tasks, code, '\n'.join(lines)


def trainings(work, seed):
    file = work / f'seed_{seed}/trained'
    return file.read_text().splitlines() if file.exists() else []


def test_seeds_run_into_their_folders_and_are_summarised(tmp_path):
    work = tmp_path / 'work'
    tasks, code, said = train(work, [0, 1, 4], words=['--amp', 'bfloat16'])
    assert code == 0
    assert [task.state for task in tasks] == ['complete'] * 3
    assert '[3/3] seed 4: accuracy 84.00 in 0:00:0' in said
    content = json.loads((work / 'seeds.json').read_text())
    assert [run['seed'] for run in content['seeds']] == [0, 1, 4]
    assert [run['work_dir'] for run in content['seeds']] == ['seed_0', 'seed_1', 'seed_4']
    assert content['seeds'][1]['best']['accuracy'] == 91
    accuracy = content['summary']['last']['accuracy']
    assert accuracy == dict(mean=pytest.approx(245 / 3), std=pytest.approx(statistics.stdev([80, 81, 84])), n=3)
    assert content['settings'] == SETTINGS
    _, code, said = train(work, [0, 2])
    assert code == 0
    assert '2 runs: 1 complete, 1 not begun' in said
    assert trainings(work, 0) == ['--amp bfloat16']


def test_changed_settings_are_said_and_nothing_runs(tmp_path):
    train(tmp_path, [0])
    changed = dict(SETTINGS, **{'train_cfg.max_epochs': 9})
    with pytest.raises(ValueError, match=r'seed_0: train_cfg.max_epochs: 7 -> 9\n.*--work-dir.*with --resume'):
        train(tmp_path, [1, 0], changed)
    assert trainings(tmp_path, 1) == []
    train(tmp_path, [0], changed, resume=True)
    assert trainings(tmp_path, 0) == ['', '--resume']


def test_a_failing_seed_does_not_stop_the_others(tmp_path):
    tasks, code, _ = train(tmp_path, [3, 5, 7, 0, 1])
    assert code == 1
    assert [task.state for task in tasks] == ['failed'] * 3 + ['complete'] * 2
    details = [f'training: {detail}' for detail in ('exit code 3', 'killed by SIGKILL', 'ended early')]
    assert [task.detail for task in tasks[:3]] == details
    table = seeds_table(tasks)
    for part in ('failed (training: exit code 3)', '80.50 ± 0.71'):
        assert part in table
    content = json.loads((tmp_path / 'seeds.json').read_text())
    assert [run['state'] for run in content['seeds']] == ['failed'] * 3 + ['complete'] * 2
    assert 'last' not in content['seeds'][0]


@pytest.mark.parametrize(
    ('resume', 'said'), [(True, 'training goes on from epoch_10.pth'), (False, 'starts anew; --resume goes on')]
)
def test_seeds_that_were_begun(tmp_path, resume, said):
    (tmp_path / 'seed_0').mkdir()
    for name in ('epoch_2.pth', 'epoch_10.pth', 'best_accuracy_epoch_2.pth'):
        (tmp_path / 'seed_0' / name).touch()
    assert said in train(tmp_path, [0], resume=resume)[2]


def complete(seed, **metrics):
    finished = dict(last=metrics, best=metrics, best_by='accuracy', best_epoch=3, epochs=7, config_hash='', settings={})
    return Task(f'seed {seed}', Path(f'seed_{seed}'), seed, 'c.py', state='complete', finished=finished)


def test_the_table_of_what_there_is(tmp_path):
    assert summarise([complete(0, accuracy=80.0)], 'last') == dict(accuracy=dict(mean=80, std=None, n=1))
    assert '80.00 ± -' in seeds_table([complete(0, accuracy=80.0)])
    tasks = [complete(0, accuracy=80.0, f1=None), complete(1, accuracy=82.0, f1=70.0), complete(2, accuracy=84.0)]
    summary = summarise(tasks, 'best')
    assert summary['accuracy']['n'] == 3
    assert summary['f1'] == dict(mean=70, std=None, n=1)
    row = next(line for line in seeds_table(tasks).splitlines() if 'f1' in line)
    assert row.split()[1:4] == ['-', '70.00', '-']
    tasks = plan_seeds('c.py', [0], tmp_path, SETTINGS)
    assert 'not begun' in seeds_table(tasks)
    assert json.loads(write_seeds(tmp_path / 'new', tasks).read_text())['summary'] == dict(last={}, best={})


@pytest.mark.parametrize(
    ('seeds', 'message'), [([0, 1, 0], '0 is there twice'), ([-1], 'not between'), ([2**32], 'not')]
)
def test_impossible_seeds(tmp_path, seeds, message):
    with pytest.raises(ValueError, match=message):
        plan_seeds('c.py', seeds, tmp_path, SETTINGS)
    check_seeds([0, 2**32 - 1])


@pytest.mark.parametrize('task', ['3', '-1', 'x', ''])
def test_array_positions(task):
    assert [array_seed([5, 6, 7], str(i)) for i in range(3)] == [5, 6, 7]
    with pytest.raises(ValueError, match=r'--array=0-2'):
        array_seed([5, 6, 7], task)
