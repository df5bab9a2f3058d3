"""Comparisons of trainings that take no time: scripts stand in for the tools."""

import json
import os
import re
import signal
import threading
import time

import pytest

from mmfer.comparison.methods import Method
from mmfer.comparison.train import Options, headline, last_lines, read_metrics, train_methods

SETTINGS = {'train_cfg.max_epochs': 3}

# {folder}/plan.json says what goes wrong: "<method> <seed> <tool>" -> exit code.
TOOL = """
import json, pathlib, sys
what, words = sys.argv[0].rsplit('/', 1)[1][:-3], sys.argv[1:]
here = pathlib.Path(__file__).parent
value = lambda name: words[words.index(name) + 1]
folder = pathlib.Path(value('--work-dir'))
folder = folder if what == 'train' else folder.parent
method, seed = folder.parent.name, int(folder.name[5:])
with open(here / 'order', 'a') as file:
    file.write(f'{what} {method} {seed}\\n')
code = json.loads((here / 'plan.json').read_text()).get(f'{method} {seed} {what}', 0)
if code:
    print('error: told to fail', file=sys.stderr)
    sys.exit(code)
if what == 'train':
    (folder / 'epoch_3.pth').touch()
    (folder / 'best_accuracy_epoch_2.pth').touch()
    weights = dict(backbone=f'b{seed}', neck=f'n{seed}', head=method)
    content = dict(seed=seed, processes=1, last={}, best={}, best_checkpoint='best_accuracy_epoch_2.pth',
                   initial_weights=weights, first_batch=dict(samples='s', inputs='i'),
                   settings={'train_cfg.max_epochs': 3})
    (folder / 'finished.json').write_text(json.dumps(content))
else:
    content = dict(checkpoint=words[1], seed=seed, metrics=dict(accuracy=80.0 + seed), predictions=[dict(gt_label=0)])
    pathlib.Path(value('--out')).write_text(json.dumps(content))
"""


@pytest.fixture
def tools(tmp_path):
    folder = tmp_path / 'tools'
    folder.mkdir()
    for name in ('train.py', 'test.py'):
        (folder / name).write_text(TOOL)
    (folder / 'plan.json').write_text('{}')
    return folder


def make_methods(work, names=('vich', 'linear'), settings=SETTINGS):
    text = 'train_cfg = dict(max_epochs=3)\n'
    return [Method(name, work / name, text, settings) for name in names]


def train(tmp_path, tools, seeds=(0, 1), methods=None, **options):
    lines = []
    work = tmp_path / 'work'
    methods = make_methods(work) if methods is None else methods
    tasks, number = train_methods(methods, seeds, work, Options(tools, **options), lines.append)
    assert number == 0
    return tasks, '\n'.join(lines)


def done(tools):
    order = (tools / 'order').read_text().splitlines() if (tools / 'order').exists() else []
    (tools / 'order').unlink(missing_ok=True)
    return order


def test_all_methods_with_one_seed_then_with_the_next(tmp_path, tools):
    tasks, said = train(tmp_path, tools)
    assert [task.result.state for task in tasks] == ['complete'] * 4
    assert [task.metrics['accuracy'] for task in tasks] == [80, 80, 81, 81]
    runs = ['vich 0', 'linear 0', 'vich 1', 'linear 1']
    assert done(tools) == [f'{what} {run}' for run in runs for what in ('train', 'test')]
    assert re.search(r'\[3/4\] vich seed 1: accuracy 81\.00 in 0:0\d:\d\d; 1 to go, about 0:0\d:\d\d', said)
    folder = tmp_path / 'work/vich/seed_0'
    assert (tmp_path / 'work/vich/config.py').is_file()
    assert f'--work-dir {folder} --seed 0 --resume' in (folder / 'train.log').read_text()
    tested = f'{folder}/epoch_3.pth --out {folder}/predictions.json --work-dir {folder}/test'
    assert f'{tested} --cfg-options randomness.seed=0' in (folder / 'test.log').read_text()
    _, said = train(tmp_path, tools)
    assert done(tools) == []
    assert '4 runs of 2 methods: 4 complete' in said


def test_what_is_trained_is_only_tested(tmp_path, tools):
    train(tmp_path, tools, seeds=[0])
    done(tools)
    file = tmp_path / 'work/vich/seed_0/predictions.json'
    for content in (None, file.read_text()[:-9], file.read_text().replace('epoch_3', 'epoch_2')):
        file.unlink()
        if content:
            file.write_text(content)
        tasks, _ = train(tmp_path, tools, seeds=[0])
        assert done(tools) == ['test vich 0']
        assert tasks[0].result.state == 'complete'


def test_the_best_checkpoint_is_tested_on_request(tmp_path, tools):
    train(tmp_path, tools, seeds=[0])
    done(tools)
    train(tmp_path, tools, seeds=[0], checkpoint='best')
    assert done(tools) == ['test vich 0', 'test linear 0']
    assert 'best_accuracy_epoch_2.pth' in (tmp_path / 'work/vich/seed_0/test.log').read_text()
    with pytest.raises(ValueError, match='last or best'):
        Options(tools, checkpoint='first')


def test_predictions_stay_valid_without_the_checkpoint(tmp_path, tools):
    train(tmp_path, tools, seeds=[0])
    done(tools)
    folder = tmp_path / 'work/vich/seed_0'
    for file in folder.glob('*.pth'):
        file.unlink()
    train(tmp_path, tools, seeds=[0])
    assert done(tools) == []
    assert read_metrics(folder, 0, None, 'best') is None
    assert read_metrics(folder, 1, None, 'last') is None
    (folder / 'predictions.json').unlink()
    tasks, _ = train(tmp_path, tools, seeds=[0])
    assert 'has no last checkpoint to test; delete' in tasks[0].result.detail


def test_a_failure_is_said_with_its_log_and_tried_again(tmp_path, tools):
    (tools / 'plan.json').write_text('{"vich 0 train": 1, "linear 1 test": 2}')
    tasks, said = train(tmp_path, tools)
    assert [task.result.state for task in tasks] == ['failed', 'complete', 'complete', 'failed']
    assert tasks[0].result.detail == 'training: exit code 1'
    assert tasks[3].log == tmp_path / 'work/linear/seed_1/test.log'
    assert (
        f'FAILED in its training: exit code 1; {tmp_path}/work/vich/seed_0/train.log ends with\n      error: told'
        in said
    )
    done(tools)
    (tools / 'plan.json').write_text('{}')
    tasks, _ = train(tmp_path, tools)
    assert [task.result.state for task in tasks] == ['complete'] * 4
    assert done(tools) == ['train vich 0', 'test vich 0', 'test linear 1']


def test_runs_with_other_settings_are_refused(tmp_path, tools):
    train(tmp_path, tools, seeds=[0])
    done(tools)
    methods = make_methods(tmp_path / 'work', settings={'train_cfg.max_epochs': 5})
    with pytest.raises(ValueError, match=r'vich/seed_0: train_cfg.max_epochs: 3 -> 5'):
        train(tmp_path, tools, seeds=[0, 1], methods=methods)
    with pytest.raises(ValueError, match='processes: 1 -> 2'):
        train(tmp_path, tools, processes=2)
    assert done(tools) == []


def test_several_processes_a_training(tmp_path, tools):
    method = make_methods(tmp_path)[0]
    words = Options(tools, processes=2).training(method, 3, tmp_path / 'f')
    expected = [tools / 'dist_train.sh', method.config, 2, '--work-dir', tmp_path / 'f', '--seed', 3, '--resume']
    assert words == expected
    for name in ('jobs', 'processes'):
        with pytest.raises(ValueError, match=f'{name}=0'):
            Options(tools, **{name: 0})


def test_several_at_a_time(tmp_path, tools):
    tasks, said = train(tmp_path, tools, jobs=3)
    assert [task.result.state for task in tasks] == ['complete'] * 4
    assert '3 at a time' in said


def test_lines_of_a_run(tmp_path):
    assert headline(dict(nll=1.0, accuracy=80.123)) == 'accuracy 80.12'
    assert headline(dict(nll=1.0)) == 'nll 1.00'
    assert headline({}) == 'no metrics'
    log = tmp_path / 'log'
    log.write_text('a\n\nerror: one\nerror: two\n  more\n\n')
    assert last_lines(log) == ['error: two', '  more']
    log.write_text('\n'.join(map(str, range(30))))
    assert last_lines(log) == [str(i) for i in range(20, 30)]
    assert 'No such file' in last_lines(tmp_path / 'nothing')[0]


def test_a_signal_stops_it_and_it_goes_on(tmp_path, tools):
    wait = "(folder / 'epoch_1.pth').touch()\nif seed == 0: __import__('time').sleep(60)\n"
    (tools / 'train.py').write_text(TOOL.replace("if what == 'train':\n", f"{wait}if what == 'train':\n", 1))
    begun = [tmp_path / f'work/{name}/seed_0/epoch_1.pth' for name in ('vich', 'linear')]

    def stop():
        while not all(path.exists() for path in begun):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    work, lines = tmp_path / 'work', []
    tasks, number = train_methods(make_methods(work), [0, 1], work, Options(tools, jobs=2), lines.append)
    assert number == signal.SIGTERM
    assert [task.result.state for task in tasks] == ['interrupted'] * 2 + ['not begun'] * 2
    assert '  vich seed 0: stopped in its training (epoch_1.pth)' in lines
    (tools / 'train.py').write_text(TOOL)
    tasks, said = train(tmp_path, tools, jobs=2)
    assert 'vich seed 0: training goes on from epoch_1.pth' in said
    assert [task.result.state for task in tasks] == ['complete'] * 4


def test_a_new_training_leaves_no_predictions_of_the_old_one(tmp_path, tools):
    train(tmp_path, tools, (0,))
    folder = tmp_path / 'work/vich/seed_0'
    for name in ('foreign_masks', 'occluded_eyes'):
        (folder / f'{name}.json').write_text('{}')
    for name in ('finished.json', 'epoch_3.pth'):
        (folder / name).unlink()
    train(tmp_path, tools, (0,))
    assert not [*folder.glob('foreign_*.json'), *folder.glob('occluded_*.json')]


def test_foreign_images_are_tested_once(tmp_path, tools):
    work, lines = tmp_path / 'work', []
    methods = make_methods(work, ('vich',))
    train_methods(methods, (0,), work, Options(tools), lines.append)
    options = Options(tools, foreign=dict(masks=tmp_path / 'masks.py'))
    for _ in range(2):
        tasks, _ = train_methods(methods, (0,), work, options, lines.append)
        assert [task.result.state for task in tasks] == ['complete']
    assert (tools / 'order').read_text().split('\n')[:-1] == ['train vich 0', 'test vich 0', 'test vich 0']
    assert json.loads((work / 'vich/seed_0/foreign_masks.json').read_text())['checkpoint'].endswith('epoch_3.pth')
    assert any('test on masks' in line for line in lines)
