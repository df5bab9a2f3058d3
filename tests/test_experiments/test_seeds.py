import json
import statistics
from pathlib import Path

import pytest
from stand_in import StandIn

from mmfer.experiments import schedule
from mmfer.experiments.schedule import Task
from mmfer.experiments.seeds import array_seed, plan_seeds, seeds_table, summarise, train_seeds, write_seeds

SETTINGS = {'model.type': 'Net', 'train_cfg.max_epochs': 7}


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Trains seeds of no time: ``(seeds, settings, **options) -> (tasks, exit code, what was said)``."""
    mmfer = StandIn(tmp_path)
    mmfer.settings[str(tmp_path / 'c.py')] = SETTINGS
    mmfer.plan(**{'work 3 train': 3})
    monkeypatch.setattr(schedule, 'command', mmfer)

    def run(seeds, settings=SETTINGS, **options):
        lines, work = [], tmp_path / 'work'
        tasks = plan_seeds(tmp_path / 'c.py', seeds, work, settings, 1)
        code = train_seeds(tasks, work, say=lines.append, **options)
        return tasks, code, '\n'.join([*lines, *mmfer.done()])

    return run


def test_seeds_run_into_their_folders_and_are_summarised(train, tmp_path, capfd):
    tasks, code, said = train([0, 1, 4], words=['--amp', 'bfloat16'])
    assert code == 0
    assert [task.state for task in tasks] == ['complete'] * 3
    assert '[3/3] seed 4: accuracy 74.00 in 0:00:0' in said
    assert f'--work-dir {tmp_path}/work/seed_4 --seed 4 --amp bfloat16\n' in capfd.readouterr().out
    content = json.loads((tmp_path / 'work/seeds.json').read_text())
    assert [run['seed'] for run in content['seeds']] == [0, 1, 4]
    assert [run['work_dir'] for run in content['seeds']] == ['seed_0', 'seed_1', 'seed_4']
    assert content['seeds'][1]['best']['accuracy'] == 91
    accuracy = content['summary']['last']['accuracy']
    assert accuracy == dict(mean=pytest.approx(215 / 3), std=pytest.approx(statistics.stdev([70, 71, 74])), n=3)
    assert content['settings'] == SETTINGS
    _, code, said = train([0, 2])
    assert code == 0
    assert said.endswith('\ntrain work 2')  # what is complete is skipped


def test_changed_settings_are_said_and_nothing_runs(train, capfd):
    train([0])
    changed = dict(SETTINGS, **{'train_cfg.max_epochs': 9})
    with pytest.raises(ValueError, match=r'seed_0: train_cfg.max_epochs: 7 -> 9\n.*--work-dir.*with --resume'):
        train([1, 0], changed)
    assert 'train work 1' not in train([0], changed, resume=True)[2]
    assert '--seed 0 --resume\n' in capfd.readouterr().out


def test_a_failing_seed_does_not_stop_the_others(train, tmp_path):
    tasks, code, _ = train([3, 0, 1])
    assert code == 1
    assert [task.state for task in tasks] == ['failed', 'complete', 'complete']
    table = seeds_table(tasks)
    for part in ('seed 3: failed (training: exit code 3)', '70.50 ± 0.71'):
        assert part in table
    content = json.loads((tmp_path / 'work/seeds.json').read_text())
    assert 'last' not in content['seeds'][0]


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
    tasks = plan_seeds('c.py', [0, 2**32 - 1], tmp_path, SETTINGS)
    assert 'not begun' in seeds_table(tasks)
    assert json.loads(write_seeds(tmp_path / 'new', tasks).read_text())['summary'] == dict(last={}, best={})


def test_impossible_seeds_and_positions(tmp_path):
    for seeds, message in (([0, 1, 0], '0 is there twice'), ([-1], 'not between'), ([2**32], 'not')):
        with pytest.raises(ValueError, match=message):
            plan_seeds('c.py', seeds, tmp_path, SETTINGS)
    assert [array_seed([5, 6, 7], str(i)) for i in range(3)] == [5, 6, 7]
    for task in ('3', '-1', 'x', ''):
        with pytest.raises(ValueError, match=r'--array=0-2'):
            array_seed([5, 6, 7], task)
