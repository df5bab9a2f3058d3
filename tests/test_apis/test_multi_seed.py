import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import environment

from mmfer.apis.multi_seed import (
    SeedResult,
    array_seed,
    check_seeds,
    inspect_seed,
    refuse_changed,
    seed_dir,
    seeds_table,
    summarise,
    train_seeds,
    write_seeds,
)
from mmfer.utils.folder_lock import sole_run

SETTINGS = {'model.type': 'Net', 'train_cfg.max_epochs': 7}

# A training of no time: {seed} -> accuracy 80 + seed; seed 3 fails, seed 5 is killed, seed 7 ends without its marker.
TRAINING = """
import json, os, pathlib, signal, sys
seed, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
(folder / 'epoch_1.pth').touch()
with open(folder / 'trained', 'a') as file:
    file.write('x')
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


@pytest.fixture
def command(tmp_path):
    script = tmp_path / 'training.py'
    script.write_text(TRAINING.replace('{settings!r}', repr(SETTINGS)))
    return lambda seed, folder: [sys.executable, '-S', script, seed, folder]


def train(work, command, seeds, **options):
    lines = []
    results, code = train_seeds(seeds, work, options.pop('settings', SETTINGS), command, say=lines.append, **options)
    return results, code, '\n'.join(lines)


def trainings(work, seed):
    file = seed_dir(work, seed) / 'trained'
    return len(file.read_text()) if file.exists() else 0


def test_seeds_run_into_their_folders_and_are_summarised(tmp_path, command):
    results, code, said = train(tmp_path / 'work', command, [0, 1, 4])
    assert code == 0
    assert [r.state for r in results] == ['complete'] * 3
    assert 'Seed 4 (3 of 3): starts' in said
    content = json.loads((tmp_path / 'work/seeds.json').read_text())
    assert [run['seed'] for run in content['seeds']] == [0, 1, 4]
    assert [run['work_dir'] for run in content['seeds']] == ['seed_0', 'seed_1', 'seed_4']
    assert content['seeds'][1]['best']['accuracy'] == 91
    accuracy = content['summary']['last']['accuracy']
    assert accuracy == dict(mean=pytest.approx(245 / 3), std=pytest.approx(statistics.stdev([80, 81, 84])), n=3)
    assert content['settings'] == SETTINGS


def test_complete_seeds_are_skipped(tmp_path, command):
    train(tmp_path, command, [0])
    results, code, said = train(tmp_path, command, [0, 1])
    assert (code, trainings(tmp_path, 0), trainings(tmp_path, 1)) == (0, 1, 1)
    assert 'Seed 0 (1 of 2): complete' in said
    assert 'skipped' in said
    assert [r.state for r in results] == ['complete'] * 2


def test_seeds_that_are_being_trained_are_left_alone(tmp_path, command):
    held = rf'{tmp_path} is in use: seeds.lock is held by process {os.getpid()}'
    with sole_run(tmp_path / 'seeds.lock', print), pytest.raises(ValueError, match=held):
        train(tmp_path, command, [0])
    assert not list(tmp_path.glob('seed*'))


def test_changed_settings_are_said_and_nothing_runs(tmp_path, command):
    train(tmp_path, command, [0])
    changed = dict(SETTINGS, **{'train_cfg.max_epochs': 9})
    with pytest.raises(ValueError, match=r'seed_0: train_cfg.max_epochs: 7 -> 9\n.*--work-dir'):
        train(tmp_path, command, [1, 0], settings=changed)
    assert trainings(tmp_path, 1) == 0
    _, _, said = train(tmp_path, command, [0], settings=changed, resume=True)
    assert 'with other settings (train_cfg.max_epochs: 7 -> 9), goes on' in said
    assert trainings(tmp_path, 0) == 2


def test_another_number_of_processes_is_a_change(tmp_path, command):
    train(tmp_path, command, [0])
    with pytest.raises(ValueError, match='processes: 1 -> 2'):
        train(tmp_path, command, [0], processes=2)


def test_a_failing_seed_does_not_stop_the_others(tmp_path, command):
    results, code, _ = train(tmp_path, command, [3, 5, 7, 0, 1])
    assert code == 1
    assert [r.state for r in results] == ['failed'] * 3 + ['complete'] * 2
    assert [r.detail for r in results[:3]] == ['exit code 3', 'killed by SIGKILL', 'ended early']
    table = seeds_table(results)
    for part in ('failed (exit code 3)', 'failed (killed by SIGKILL)', '80.50 ± 0.71'):
        assert part in table
    content = json.loads((tmp_path / 'seeds.json').read_text())
    assert [run['state'] for run in content['seeds']] == ['failed'] * 3 + ['complete'] * 2
    assert 'last' not in content['seeds'][0]


@pytest.mark.parametrize(
    ('resume', 'said'), [(True, 'goes on from epoch_1.pth'), (False, 'starts anew; with --resume')]
)
def test_seeds_that_were_begun(tmp_path, command, resume, said):
    seed_dir(tmp_path, 0).mkdir()
    (seed_dir(tmp_path, 0) / 'epoch_1.pth').touch()
    assert said in train(tmp_path, command, [0], resume=resume)[2]


def test_states_found_in_folders(tmp_path):
    assert inspect_seed(tmp_path, 0, SETTINGS).state == 'not begun'
    seed_dir(tmp_path, 0).mkdir()
    for name in ('epoch_2.pth', 'epoch_10.pth', 'best_accuracy_epoch_2.pth'):
        (seed_dir(tmp_path, 0) / name).touch()
    assert inspect_seed(tmp_path, 0, SETTINGS).describe() == 'begun (epoch_10.pth)'
    (seed_dir(tmp_path, 0) / 'finished.json').write_text('{"last"')
    with pytest.raises(ValueError, match=r'finished\.json is damaged .*delete it'):
        inspect_seed(tmp_path, 0, SETTINGS)


def test_a_copied_folder_is_no_other_seed(tmp_path, command):
    train(tmp_path, command, [0])
    seed_dir(tmp_path, 0).rename(seed_dir(tmp_path, 1))
    with pytest.raises(ValueError, match='seed: 0 -> 1'):
        refuse_changed([inspect_seed(tmp_path, 1, SETTINGS)])


def test_many_changes_are_cut(tmp_path, command):
    train(tmp_path, command, [0])
    result = inspect_seed(tmp_path, 0, {f'x{i}': i for i in range(10)})
    assert result.state == 'changed'
    assert '7 more' in result.detail


def complete(seed, **metrics):
    finished = dict(last=metrics, best=metrics, best_by='accuracy', best_epoch=3, epochs=7, config_hash='', settings={})
    return SeedResult(seed, Path(f'seed_{seed}'), 'complete', finished=finished)


def test_one_seed_has_no_deviation():
    assert summarise([complete(0, accuracy=80.0)], 'last') == dict(accuracy=dict(mean=80, std=None, n=1))
    assert '80.00 ± -' in seeds_table([complete(0, accuracy=80.0)])


def test_metrics_that_are_missing_or_not_finite_do_not_count():
    results = [complete(0, accuracy=80.0, f1=None), complete(1, accuracy=82.0, f1=70.0), complete(2, accuracy=84.0)]
    summary = summarise(results, 'best')
    assert summary['accuracy']['n'] == 3
    assert summary['f1'] == dict(mean=70, std=None, n=1)
    row = next(line for line in seeds_table(results).splitlines() if 'f1' in line)
    assert row.split()[1:4] == ['-', '70.00', '-']


def test_table_without_any_result(tmp_path):
    results = [SeedResult(0, tmp_path, 'not begun')]
    assert 'not begun' in seeds_table(results)
    assert json.loads(write_seeds(tmp_path / 'new', results).read_text())['summary'] == dict(last={}, best={})


def test_a_failing_write_leaves_the_former_table(tmp_path, monkeypatch):
    path = write_seeds(tmp_path, [complete(0, accuracy=80.0)])
    before = path.read_text()

    def full_disk(*args):
        raise OSError('No space left on device')

    monkeypatch.setattr('mmfer.utils.files.replace_synced', full_disk)
    with pytest.raises(OSError):
        write_seeds(tmp_path, [complete(1, accuracy=10.0)])
    assert path.read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ['seeds.json']


@pytest.mark.parametrize(
    ('seeds', 'message'), [([0, 1, 0], '0 is there twice'), ([-1], 'not between'), ([2**32], 'not')]
)
def test_impossible_seeds(tmp_path, command, seeds, message):
    with pytest.raises(ValueError, match=message):
        train(tmp_path, command, seeds)
    check_seeds([0, 2**32 - 1])


@pytest.mark.parametrize('task', ['3', '-1', 'x', ''])
def test_array_positions(task):
    assert [array_seed([5, 6, 7], str(i)) for i in range(3)] == [5, 6, 7]
    with pytest.raises(ValueError, match=r'--array=0-2'):
        array_seed([5, 6, 7], task)


# Saves before it ends when it gets the signal of its place.
SAVING = """
import pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[2])
folder.mkdir(parents=True)
def save(number, frame):
    time.sleep(0.3)
    (folder / 'epoch_0_iter_9.pth').touch()
    sys.exit(75)
signal.signal(getattr(signal, folder.parent.name), save)
(folder / 'ready').touch()
time.sleep(60)
"""
SERIES = """
import sys
from mmfer.apis.multi_seed import seeds_table, train_seeds
command = lambda seed, folder: [sys.executable, '-S', 'training.py', seed, folder]
for name in sys.argv[1:]:
    results, code = train_seeds([0, 1], name, {}, command)
    print(f'{name}: {code}', seeds_table(results), sep='\\n', end='\\n\\n')
"""


@pytest.mark.skipif(os.name == 'nt', reason='POSIX signals')
def test_signals_reach_the_training_and_end_the_series(tmp_path):
    """The training may save before it ends; the next seed does not begin."""
    (tmp_path / 'training.py').write_text(SAVING)
    names = ('SIGTERM', 'SIGINT', 'SIGUSR1')
    process = subprocess.Popen(
        [sys.executable, '-c', SERIES, *names],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for name in names:
        for _ in range(600):
            if (tmp_path / name / 'seed_0/ready').exists():
                break
            time.sleep(0.1)
        process.send_signal(getattr(signal, name))
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    for name, said in zip(names, out.split('\n\n')):
        assert f'\n{name}: 75\n' in said
        assert 'interrupted (epoch_0_iter_9.pth)' in said
        assert not (tmp_path / name / 'seed_1').exists()
        states = [run['state'] for run in json.loads((tmp_path / name / 'seeds.json').read_text())['seeds']]
        assert states == ['interrupted', 'not begun']
