"""Trainings and tests that take no time: a script stands in for ``mmfer``."""

import json
import os
import signal
import sys
import threading
import time

import pytest

from mmfer.experiments import schedule
from mmfer.experiments.conditions import label_noise, occlusion, ood
from mmfer.experiments.label_noise import LabelNoise
from mmfer.experiments.schedule import Task, headline, last_lines, refuse_changed, run_tasks

SETTINGS = {'train_cfg.max_epochs': 3}
CLEAN, EYES, MASKS = label_noise(LabelNoise(0.0)), occlusion('eyes'), ood('masks', 'masks.py')

# {folder}/plan.json says what goes wrong: "<method> <seed> <verb>" -> exit code.
STAND_IN = """
import json, pathlib, signal, sys, time
what, *words = sys.argv[1:]
here = pathlib.Path(__file__).parent
value = lambda name: words[words.index(name) + 1]
folder = pathlib.Path(value('--work-dir'))
folder = folder if what == 'train' else folder.parent
method, seed = folder.parent.name, int(folder.name[5:])
name = what if what == 'train' else pathlib.Path(value('--out')).stem
with open(here / 'order', 'a') as file:
    file.write(f'{name} {method} {seed}\\n')
code = json.loads((here / 'plan.json').read_text()).get(f'{method} {seed} {name}', 0)
if code == 'wait':
    signal.signal(signal.SIGTERM, lambda *_: ((folder / 'epoch_1.pth').touch(), sys.exit(143)))
    (here / 'ready').touch()
    time.sleep(60)
if code:
    print('error: told to fail', file=sys.stderr)
    sys.exit(code)
if what == 'train':
    (folder / 'epoch_3.pth').touch()
    (folder / 'best_accuracy_epoch_2.pth').touch()
    content = dict(seed=seed, processes=1, last=dict(accuracy=70.0), best={}, settings={'train_cfg.max_epochs': 3},
                   best_checkpoint='best_accuracy_epoch_2.pth')
    (folder / 'finished.json').write_text(json.dumps(content))
else:
    content = dict(checkpoint=words[1], seed=seed, metrics=dict(accuracy=80.0 + seed), predictions=[dict(gt_label=0)])
    pathlib.Path(value('--out')).write_text(json.dumps(content))
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    script = tmp_path / 'mmfer.py'
    script.write_text(STAND_IN)
    (tmp_path / 'plan.json').write_text('{}')

    def command(verb, *words, processes=1):
        return [sys.executable, '-S', str(script), verb, *map(str, words)]

    monkeypatch.setattr(schedule, 'command', command)
    return tmp_path


def plan(stand_in, **what):
    (stand_in / 'plan.json').write_text(json.dumps(what))


def done(stand_in):
    order = stand_in / 'order'
    lines = order.read_text().splitlines() if order.exists() else []
    order.unlink(missing_ok=True)
    return lines


def run(stand_in, seeds=(0, 1), slots=1, settings=SETTINGS, number=0, **options):
    tasks = []
    for seed in seeds:
        for method in ('vich', 'linear'):
            folder = stand_in / f'work/{method}/seed_{seed}'
            config = stand_in / 'config.py'
            config.write_text('')
            own = dict(processes=1, tests=[CLEAN], **options)
            tasks.append(Task(f'{method} seed {seed}', folder, seed, config, settings, **own).inspect())
    lines = []
    assert run_tasks(tasks, slots, lines.append) == number
    return tasks, '\n'.join(lines)


def test_the_command_of_a_process(monkeypatch):
    assert schedule.command('train', 'c.py', '--seed', 3) == [
        sys.executable,
        '-m',
        'mmfer',
        'train',
        'c.py',
        '--seed',
        '3',
    ]
    monkeypatch.setenv('MAX_RESTARTS', '2')
    words = schedule.command('train', 'c.py', processes=4)
    assert words[2:] == [
        *('torch.distributed.run', '--standalone', '--nproc_per_node', '4', '--max_restarts', '2', '-m'),
        *('mmfer', 'train', 'c.py', '--launcher', 'pytorch'),
    ]


def test_what_is_complete_is_skipped(stand_in):
    tasks, said = run(stand_in)
    assert [task.state for task in tasks] == ['complete'] * 4
    assert [task.metrics['accuracy'] for task in tasks] == [80, 80, 81, 81]
    runs = ['vich 0', 'linear 0', 'vich 1', 'linear 1']
    assert done(stand_in) == [f'{what} {run}' for run in runs for what in ('train', 'predictions')]
    assert '[3/4] vich seed 1: accuracy 81.00 in 0:00:0' in said
    assert '; 1 to go, about 0:00:0' in said
    folder = stand_in / 'work/vich/seed_0'
    assert f'--work-dir {folder} --seed 0 --resume' in (folder / 'train.log').read_text()
    tested = f'{folder}/epoch_3.pth --out {folder}/predictions.json --work-dir {folder}/test'
    assert f'{tested} --cfg-options randomness.seed=0' in (folder / 'predictions.log').read_text()
    _, said = run(stand_in)
    assert done(stand_in) == []
    assert '4 runs: 4 complete' in said
    for file in folder.glob('*.pth'):  # deleted to save room
        file.unlink()
    run(stand_in)
    assert done(stand_in) == []


def test_only_the_tests_that_are_lacking_are_made(stand_in, monkeypatch):
    run(stand_in, seeds=[0])
    done(stand_in)
    file = stand_in / 'work/vich/seed_0/predictions.json'
    whole = file.read_text()
    for content in (None, whole[:-9], whole.replace('epoch_3', 'epoch_2'), whole.replace('"seed": 0', '"seed": 1')):
        file.unlink()
        if content:
            file.write_text(content)
        tasks, said = run(stand_in, seeds=[0])
        assert done(stand_in) == ['predictions vich 0']
        assert tasks[0].state == 'complete'
    assert '2 runs: 1 trained, 1 complete' in said
    run(stand_in, seeds=[0], which='best')
    assert done(stand_in) == ['predictions vich 0', 'predictions linear 0']
    assert 'best_accuracy_epoch_2.pth' in (stand_in / 'work/vich/seed_0/predictions.log').read_text()


def test_tests_under_other_conditions(stand_in, monkeypatch):
    written = []
    monkeypatch.setattr(schedule, 'write_occluded', lambda *args: (written.append(args), args[-1])[1])
    run(stand_in, seeds=[0])
    done(stand_in)
    folder, config = stand_in / 'work/vich/seed_0', stand_in / 'config.py'
    own = dict(tests=[CLEAN, EYES, MASKS], which=folder / 'epoch_3.pth')
    task = Task('vich', folder, 0, config, **own).inspect()  # as it is, whatever it was trained with
    assert task.describe() == 'trained (not tested: eyes, masks)'
    assert run_tasks([task], say=lambda line: None) == 0
    assert done(stand_in) == ['occluded_eyes vich 0', 'ood_masks vich 0']
    assert task.state == 'complete'
    assert written == [(config, dict(region='eyes'), folder / 'test/occluded_eyes.py')]
    assert f'test {folder}/test/occluded_eyes.py' in (folder / 'occluded_eyes.log').read_text()
    assert '--data masks.py' in (folder / 'ood_masks.log').read_text()
    (folder / 'finished.json').unlink()
    tasks, _ = run(stand_in, seeds=[0])  # trained again: the former tests are of another model
    assert tasks[0].state == 'complete'
    assert sorted(path.name for path in folder.glob('o*.json')) == []


def test_what_cannot_be_tested_fails_alone(stand_in):
    run(stand_in, seeds=[0])
    for path in (stand_in / 'work/vich/seed_0').glob('*.*'):
        if path.suffix == '.pth' or path.stem == 'predictions':
            path.unlink()
    (stand_in / 'work/linear/seed_0/predictions.json').unlink()
    tasks, said = run(stand_in, seeds=[0])
    assert [task.state for task in tasks] == ['failed', 'complete']
    assert 'vich seed 0: FAILED in its test clean: the checkpoint (last) of' in said


def test_a_run_that_fails_does_not_stop_the_others(stand_in):
    plan(stand_in, **{'vich 0 train': 3, 'linear 0 predictions': 4})
    tasks, said = run(stand_in)
    assert [task.state for task in tasks] == ['failed', 'failed', 'complete', 'complete']
    assert [task.detail for task in tasks[:2]] == ['training: exit code 3', 'test clean: exit code 4']
    assert tasks[0].log == stand_in / 'work/vich/seed_0/train.log'
    assert '[1/4] vich seed 0: FAILED in its training: exit code 3' in said
    assert '      error: told to fail' in said
    done(stand_in)
    plan(stand_in)
    tasks, _ = run(stand_in)
    assert done(stand_in) == ['train vich 0', 'predictions vich 0', 'predictions linear 0']
    assert {task.state for task in tasks} == {'complete'}


def test_a_signal_stops_it_and_the_same_call_goes_on(stand_in):
    plan(stand_in, **{'linear 0 train': 'wait'})

    def stop():
        while not (stand_in / 'ready').exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    tasks, said = run(stand_in, number=signal.SIGTERM)
    assert [task.state for task in tasks] == ['complete', 'interrupted', 'not begun', 'not begun']
    assert 'linear seed 0: stopped in its training (epoch_1.pth)' in said
    plan(stand_in)
    _, said = run(stand_in)
    assert '4 runs: 1 complete, 1 begun, 2 not begun' in said
    assert 'linear seed 0: training goes on from epoch_1.pth' in said


def test_runs_with_other_settings_are_refused(stand_in):
    run(stand_in, seeds=[0])
    folder = stand_in / 'work/vich/seed_0'
    for seed, settings, processes, detail in (
        (0, {'train_cfg.max_epochs': 5}, 1, 'train_cfg.max_epochs: 3 -> 5'),
        (0, SETTINGS, 2, 'processes: 1 -> 2'),
        (1, SETTINGS, None, 'seed: 0 -> 1'),
        (0, {f'x{i}': i for i in range(10)}, None, '; and 6 more'),
    ):
        task = Task('vich', folder, seed, 'c.py', settings, processes).inspect()
        with pytest.raises(ValueError, match=rf'(?s){folder}: .*{detail}\nTrain into another --work-dir, .*, so.'):
            refuse_changed([task], 'so')


def test_slots_share_the_machine(stand_in, monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: range(8), raising=False)
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    _, said = run(stand_in, slots=3)
    assert '4 runs: 4 not begun; 3 at a time; CPU threads of each: 2' in said


def test_small_texts(tmp_path):
    assert headline(dict(nll=0.5, accuracy=80.0)) == 'accuracy 80.00'
    assert headline({}) == headline(dict(accuracy=None)) == 'no metrics'
    (tmp_path / 'log').write_text('\n\n'.join(map(str, range(30))))
    assert last_lines(tmp_path / 'log') == [str(i) for i in range(20, 30)]
    assert last_lines(tmp_path / 'nothing') == []
