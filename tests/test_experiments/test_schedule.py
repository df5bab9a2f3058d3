"""The scheduler, with a script in the place of ``mmfer``."""

import json
import os
import signal
import sys
import threading
import time

import pytest
from stand_in import StandIn

from mmfer.experiments import schedule
from mmfer.experiments.conditions import label_noise, occlusion, ood
from mmfer.experiments.label_noise import LabelNoise
from mmfer.experiments.schedule import Task, headline, refuse_changed, run_tasks

SETTINGS = {'train_cfg.max_epochs': 3}
CLEAN, EYES, MASKS = label_noise(LabelNoise(0.0)), occlusion('eyes'), ood('masks', 'masks.py')


@pytest.fixture
def mmfer(tmp_path, monkeypatch):
    found = StandIn(tmp_path)
    (tmp_path / 'config.py').write_text('')
    found.settings[str(tmp_path / 'config.py')] = SETTINGS
    monkeypatch.setattr(schedule, 'command', found)
    return found


def run(mmfer, seeds=(0, 1), slots=1, number=0, **options):
    tasks = []
    for seed in seeds:
        for method in ('vich', 'linear'):
            folder = mmfer.folder / f'work/{method}/seed_{seed}'
            own = dict(settings=SETTINGS, processes=1, tests=[CLEAN], **options)
            tasks.append(Task(f'{method} seed {seed}', folder, seed, mmfer.folder / 'config.py', **own).inspect())
    lines = []
    assert run_tasks(tasks, slots, lines.append) == number
    return tasks, '\n'.join(lines)


def test_the_command_of_a_process(monkeypatch):
    words = schedule.command('train', 'c.py', '--seed', 3)
    assert words == [sys.executable, '-m', 'mmfer', 'train', 'c.py', '--seed', '3']
    monkeypatch.setenv('MAX_RESTARTS', '2')
    words = schedule.command('train', 'c.py', processes=4)
    assert words[2:] == [
        *('torch.distributed.run', '--standalone', '--nproc_per_node', '4', '--max_restarts', '2', '-m'),
        *('mmfer', 'train', 'c.py', '--launcher', 'pytorch'),
    ]


def test_what_is_complete_is_skipped(mmfer, monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: range(8), raising=False)
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    tasks, said = run(mmfer)
    assert [task.state for task in tasks] == ['complete'] * 4
    assert [task.metrics['accuracy'] for task in tasks] == [80, 80, 81, 81]
    runs = ['vich 0', 'linear 0', 'vich 1', 'linear 1']
    assert mmfer.done() == [f'{what} {run}' for run in runs for what in ('train', 'predictions')]
    assert '[3/4] vich seed 1: accuracy 81.00 in 0:00:0' in said
    assert '; 1 to go, about 0:00:0' in said
    folder = mmfer.folder / 'work/vich/seed_0'
    assert f'--work-dir {folder} --seed 0 --resume' in (folder / 'train.log').read_text()
    tested = f'{folder}/epoch_3.pth --out {folder}/predictions.json --work-dir {folder}/test'
    assert f'{tested} --cfg-options randomness.seed=0' in (folder / 'predictions.log').read_text()
    for file in folder.glob('*.pth'):  # deleted to save room
        file.unlink()
    _, said = run(mmfer, seeds=(0, 1, 2), slots=2)
    assert '6 runs: 4 complete, 2 not begun; 2 at a time; CPU threads of each: 4' in said
    assert len(mmfer.done()) == 4


def test_only_the_tests_that_are_lacking_are_made(mmfer):
    run(mmfer, seeds=[0])
    mmfer.done()
    file = mmfer.folder / 'work/vich/seed_0/predictions.json'
    whole = file.read_text()
    for content in (None, whole[:-9], whole.replace('epoch_3', 'epoch_2'), whole.replace('"seed": 0', '"seed": 1')):
        file.unlink()
        if content:
            file.write_text(content)
        tasks, said = run(mmfer, seeds=[0])
        assert mmfer.done() == ['predictions vich 0']
        assert tasks[0].state == 'complete'
    assert '2 runs: 1 trained, 1 complete' in said
    run(mmfer, seeds=[0], which='best')
    assert mmfer.done() == ['predictions vich 0', 'predictions linear 0']
    assert 'best_accuracy_epoch_2.pth' in (mmfer.folder / 'work/vich/seed_0/predictions.log').read_text()


def test_tests_under_other_conditions(mmfer, monkeypatch):
    written = []
    monkeypatch.setattr(schedule, 'write_occluded', lambda *args: (written.append(args), args[-1])[1])
    run(mmfer, seeds=[0])
    mmfer.done()
    folder, config = mmfer.folder / 'work/vich/seed_0', mmfer.folder / 'config.py'
    own = dict(tests=[CLEAN, EYES, MASKS], which=folder / 'epoch_3.pth')
    task = Task('vich', folder, 0, config, **own).inspect()  # as it is, whatever it was trained with
    assert task.describe() == 'trained (not tested: eyes, masks)'
    assert run_tasks([task], say=lambda line: None) == 0
    assert mmfer.done() == ['occluded_eyes vich 0', 'ood_masks vich 0']
    assert task.state == 'complete'
    assert written == [(config, dict(region='eyes'), folder / 'test/occluded_eyes.py')]
    assert f'test {folder}/test/occluded_eyes.py' in (folder / 'occluded_eyes.log').read_text()
    assert '--data masks.py --missing images' in (folder / 'ood_masks.log').read_text()
    content = json.loads((folder / 'ood_masks.json').read_text())
    (folder / 'ood_masks.json').write_text(json.dumps(dict(content, data='masks.py')))
    assert task.inspect().state == 'complete'
    own['tests'] = [ood('masks', 'other/masks.py')]  # of the same name
    assert Task('vich', folder, 0, config, **own).inspect().describe() == 'trained (not tested: masks)'
    moved = folder.rename(folder.with_name('seed_7'))  # a training that is there is never made again
    task = Task('vich', moved, 7, config, tests=[CLEAN, EYES, MASKS], which=moved / 'epoch_3.pth').inspect()
    assert run_tasks([task], say=lambda line: None) == 0
    assert 'train vich 7' not in mmfer.done()
    moved.rename(folder)
    (folder / 'finished.json').unlink()
    tasks, _ = run(mmfer, seeds=[0])  # trained again: the former tests are of another model
    assert tasks[0].state == 'complete'
    assert not list(folder.glob('o*.json'))


def test_a_run_that_fails_does_not_stop_the_others(mmfer):
    mmfer.plan(**{'vich 0 train': 3, 'linear 0 predictions': 4})
    tasks, said = run(mmfer)
    assert [task.state for task in tasks] == ['failed', 'failed', 'complete', 'complete']
    assert [task.detail for task in tasks[:2]] == ['training: exit code 3', 'test clean: exit code 4']
    assert '[1/4] vich seed 0: FAILED in its training: exit code 3' in said
    assert '      error: told to fail' in said
    mmfer.done()
    mmfer.plan()
    (mmfer.folder / 'work/linear/seed_0/epoch_3.pth').unlink()
    tasks, said = run(mmfer)
    assert mmfer.done() == ['train vich 0', 'predictions vich 0']
    assert 'linear seed 0: FAILED in its test clean: the checkpoint (last) of' in said


def test_a_signal_stops_it_and_the_same_call_goes_on(mmfer):
    mmfer.plan(**{'linear 0 train': 'wait'})

    def stop():
        while not (mmfer.folder / 'ready').exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    tasks, said = run(mmfer, number=signal.SIGTERM)
    assert [task.state for task in tasks] == ['complete', 'interrupted', 'not begun', 'not begun']
    assert 'linear seed 0: stopped in its training (epoch_1.pth)' in said
    mmfer.plan()
    _, said = run(mmfer)
    assert '4 runs: 1 complete, 1 begun, 2 not begun' in said
    assert 'linear seed 0: training goes on from epoch_1.pth' in said


def test_runs_with_other_settings_are_refused(mmfer):
    run(mmfer, seeds=[0])
    folder = mmfer.folder / 'work/vich/seed_0'
    for seed, settings, processes, detail in (
        (0, {'train_cfg.max_epochs': 5}, 1, 'train_cfg.max_epochs: 3 -> 5'),
        (0, SETTINGS, 2, 'processes: 1 -> 2'),
        (1, SETTINGS, None, 'seed: 0 -> 1'),
        (0, {f'x{i}': i for i in range(10)}, None, '; and 6 more'),
    ):
        task = Task('vich', folder, seed, 'c.py', settings, processes).inspect()
        with pytest.raises(ValueError, match=rf'(?s){folder}: .*{detail}\nTrain into another --work-dir, .*, so.'):
            refuse_changed([task], 'so')


def test_headlines():
    assert headline(dict(nll=0.5, accuracy=80.0)) == 'accuracy 80.00'
    assert headline({}) == headline(dict(accuracy=None)) == 'no metrics'
