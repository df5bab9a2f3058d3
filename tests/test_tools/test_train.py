"""Training and testing with the tools and the shell scripts."""

import argparse
import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from processes import ROOT, load_tool, run

from mmfer.cli import main, train
from mmfer.experiments import schedule

SMALL = [
    'train_dataloader.batch_size=8',
    'train_dataloader.dataset.num_samples=16',
    'val_dataloader.dataset.num_samples=10',
    'test_dataloader.dataset.num_samples=10',
    'train_cfg.max_epochs=1',
    'param_scheduler.0.total_steps=1',
]


@pytest.fixture
def tool():
    return load_tool('tools/train.py')


def parse(*words):
    """What the verb ``train`` makes of its words."""
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    args = parser.parse_args(words)
    args.refuse = parser.error
    return args


def make_raf_db(folder, train=16, test=8):
    """A stand-in for RAF-DB: its list format and layout, images of plain noise."""
    rng = np.random.default_rng(0)
    (folder / 'EmoLabel').mkdir(parents=True)
    (folder / 'Image/aligned').mkdir(parents=True)
    lines = []
    for split, number, width in (('train', train, 5), ('test', test, 4)):
        for i in range(number):
            name = f'{split}_{i + 1:0{width}d}'
            lines.append(f'{name}.jpg {i % 7 + 1}')
            image = rng.integers(0, 256, (100, 100, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / f'Image/aligned/{name}_aligned.jpg'), image)
    (folder / 'EmoLabel/list_patition_label.txt').write_text('\n'.join(lines) + '\n')


NARROW = [
    'model.backbone.image.channels=(8,8,8)',
    'model.backbone.image.num_blocks=(1,1,1)',
    'model.backbone.landmark.width=0.125',
    'model.neck.image_channels=(8,8,8)',
    'model.neck.landmark_channels=(8,16,64)',
    'model.neck.num_heads=(2,2,2)',
    'model.neck.embed_dims=16',
    'model.head.in_channels=16',
]


@pytest.mark.parametrize('options', [NARROW, pytest.param([], marks=pytest.mark.long)], ids=['narrow', 'as it is'])
def test_raf_trains_on_its_layout(tmp_path, tool, call_tool, options):
    make_raf_db(tmp_path / 'raf')
    options = [*options, *(f'{part}_dataloader.dataset.data_root={tmp_path}/raf' for part in ('train', 'val', 'test'))]
    options += [f'{part}_dataloader.num_workers=0' for part in ('train', 'val', 'test')]
    options += [f'{part}_dataloader.persistent_workers=False' for part in ('train', 'val', 'test')]
    options += ['train_dataloader.batch_size=8', 'train_cfg.max_epochs=1']
    options += ['model.backbone.image.init_cfg=None', 'model.backbone.landmark.init_cfg=None']
    work = tmp_path / 'work'
    config = ROOT / 'configs/poster_var/raf.py'
    code, out, err = call_tool(tool, config, '--work-dir', work, '--cfg-options', *options)
    assert code == 0, err[-3000:]
    assert '8 images: accuracy' in out + err
    checkpoint = torch.load(work / 'epoch_1.pth', weights_only=True)
    assert checkpoint['meta']['iter'] == 2
    assert checkpoint['meta']['dataset_meta']['classes'][0] == 'surprise'


def test_train_then_test_with_scores(tmp_path, tool, call_tool):
    config = ROOT / 'configs/poster_var/synth_linear.py'
    code, out, err = call_tool(tool, config, '--work-dir', tmp_path, '--seed', 3, '--cfg-options', *SMALL)
    assert code == 0, err[-3000:]
    assert 'Bayes-optimal accuracy' in out + err
    file = tmp_path / 'results.json'
    args = [config, tmp_path / 'epoch_1.pth', '--out', file, '--work-dir', tmp_path / 'test', '--cfg-options', *SMALL]
    code, _, err = call_tool('tools/test.py', *args)
    assert code == 0, err[-3000:]
    content = json.loads(file.read_text())
    assert len(content['predictions']) == 10
    assert content['predictions'][0]['img_path'].startswith('synth/test/')


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason='this PyTorch has no torch.distributed')
def test_two_processes_end_with_equal_weights(tmp_path):
    script = tmp_path / 'compare.py'
    script.write_text(
        'import atexit, os, pathlib, torch\n'
        'from mmengine.hooks import Hook\n'
        'from mmfer.registry import HOOKS\n\n'
        'own = pathlib.Path(__file__).with_name("at_exit" + os.environ["RANK"])\n'
        '# before the runner is made, so after all that the runner has done at exit\n'
        'atexit.register(lambda: own.write_text(f"in a group: {torch.distributed.is_initialized()}"))\n\n\n'
        '@HOOKS.register_module()\n'
        'class KeepWeights(Hook):\n'
        "    priority = 'LOWEST'\n\n"
        '    def after_train(self, runner):\n'
        "        torch.save(runner.model.module.state_dict(), f'{runner.work_dir}/rank{runner.rank}.pth')\n"
    )
    config = tmp_path / 'two.py'
    text = (ROOT / 'configs/poster_var/synth.py').read_text().replace('.._base_', '.base')
    (tmp_path / 'base').symlink_to(ROOT / 'configs/_base_')
    text += "\ncustom_imports = dict(imports=['compare'])\ncustom_hooks.append(dict(type='KeepWeights'))\n"
    config.write_text(text)
    work = tmp_path / 'work'
    result = run(
        'tools/dist_train.sh',
        config,
        2,
        '--work-dir',
        work,
        '--cfg-options',
        *SMALL[1:],
        'train_dataloader.batch_size=4',
        env=dict(PYTHONPATH=str(tmp_path), PATH=f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'),
    )
    assert result.returncode == 0, result.stderr[-3000:]
    first, second = (torch.load(work / f'rank{i}.pth', weights_only=True) for i in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    saved = torch.load(work / 'epoch_1.pth', weights_only=True)['state_dict']
    assert all(torch.equal(first[name], saved[name]) for name in first)
    assert '10 images: accuracy' in result.stderr + result.stdout
    # a process that ends within its group is aborted now and then
    assert [(tmp_path / f'at_exit{i}').read_text() for i in (0, 1)] == ['in a group: False'] * 2


@pytest.mark.slow
def test_slurm_starts_a_step_of_the_job(tmp_path):
    srun = tmp_path / 'srun'
    srun.write_text(
        '#!/usr/bin/env bash\n'
        'for option in "$@"; do echo "srun $option"; done\n'
        'while [ "${1#-}" != "$1" ]; do [ "$1" = -p ] && shift; shift; done\n'
        'export SLURM_PROCID=0 SLURM_NTASKS=1 SLURM_LOCALID=0 MASTER_PORT=29517\n'
        'exec "$@"\n'
    )
    srun.chmod(0o755)
    path = os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent), os.environ['PATH']])
    args = ['part', 'job', 'configs/poster_var/synth.py', '--work-dir', tmp_path / 'work', '--cfg-options', *SMALL]
    result = run('tools/slurm_train.sh', *args, env=dict(PATH=path, GPUS='1'))
    assert result.returncode == 0, result.stderr[-3000:]
    assert {'srun part', 'srun --job-name=job', 'srun --ntasks=1'} <= set(result.stdout.splitlines())
    assert (tmp_path / 'work/epoch_1.pth').is_file()


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh'])
def test_shell_tools_say_how_they_are_called(script):
    result = run(f'tools/{script}')
    assert result.returncode == 2
    assert f'tools/{script}' in result.stderr


@pytest.mark.parametrize('arguments', [('tools/train.py',), ('tools/test.py', 'x.pth')])
def test_a_config_that_is_not_there(call_tool, arguments):
    tool, *more = arguments
    code, _, err = call_tool(tool, ROOT / 'configs/poster_var/nothing.py', *more)
    assert code == 1
    assert err.startswith('error: config not found')
    assert 'synth.py' in err


@pytest.mark.slow
def test_seeds_are_what_each_alone_gives(tmp_path, tool, call_tool):
    """In a set, each is trained in a process of its own."""
    args = [ROOT / 'configs/poster_var/synth_linear.py', '--cfg-options', *SMALL]
    for seed, folder in ((0, 'alone'), (1, 'set/seed_1')):
        code, _, err = call_tool(tool, *args, '--work-dir', tmp_path / folder, '--seed', seed)
        assert code == 0, err[-3000:]
    before = sorted((tmp_path / 'set/seed_1').iterdir())
    code, out, err = call_tool(tool, *args, '--work-dir', tmp_path / 'set', '--seeds', 0, 1)
    assert code == 0, err[-3000:]
    assert 'mean ± std' in out
    content = json.loads((tmp_path / 'set/seeds.json').read_text())
    assert [run['state'] for run in content['seeds']] == ['complete', 'complete']
    assert content['summary']['last']['accuracy']['n'] == 2
    files = [tmp_path / name / 'epoch_1.pth' for name in ('alone', 'set/seed_0', 'set/seed_1')]
    first, second, other = (torch.load(file, weights_only=True)['state_dict'] for file in files)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)
    # what is complete is left as it is
    assert '2 runs: 1 not begun, 1 complete' in out
    assert sorted((tmp_path / 'set/seed_1').iterdir()) == before


def test_options_of_each_seed():
    words = ['c.py', '--seeds', '3', '4', '--work-dir', 'w', '--amp', '--tensorboard', '--resume', '--epochs', '5']
    args = parse(*words, '--cfg-options', 'a.b=[1,2]', "c='x y'")
    words = train.option_words(args)
    assert words == ['--tensorboard', '--amp', 'bfloat16', '--epochs', '5', '--cfg-options', 'a.b=[1,2]', "c='x y'"]
    own = parse('c.py', *words)
    assert (own.amp, own.tensorboard, own.epochs, own.cfg_options) == ('bfloat16', True, 5, args.cfg_options)


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--summary'], '--summary belongs to --seeds'),
        (['--processes', '2'], '--processes belongs to --seeds'),
        (['--seeds', '0', '--processes', '0'], '1 or more'),
        (['--seeds', '0', '--resume', 'x.pth'], '--resume alone'),
    ],
)
def test_options_that_do_not_go_together(capsys, words, message):
    with pytest.raises(SystemExit) as caught:
        main(['train', 'c.py', *words])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_tasks_of_a_slurm_array_train_one_seed_each(tmp_path, monkeypatch, capsys):
    trained = []
    monkeypatch.setattr(train, 'train_one', lambda args, work_dir, seed: trained.append((work_dir, seed)))
    words = ['train', str(ROOT / 'configs/poster_var/synth.py'), '--work-dir', str(tmp_path), '--seeds', '5', '7']
    monkeypatch.setenv('SLURM_ARRAY_TASK_ID', '1')
    assert main([*words, '--launcher', 'slurm']) == 0
    assert trained == [(tmp_path / 'seed_7', 7)]
    monkeypatch.setenv('SLURM_ARRAY_TASK_ID', '2')
    assert main(words) == 1
    assert '--array=0-1' in capsys.readouterr().err
    assert main([*words, '--processes', '2']) == 1
    assert main([*words, '--summary']) == 0
    assert 'seed 5: not begun' in capsys.readouterr().out
    assert len(trained) == 1


def test_seeds_inside_a_launcher_are_refused(capsys, monkeypatch):
    monkeypatch.delenv('SLURM_ARRAY_TASK_ID', raising=False)
    assert main(['train', 'c.py', '--seeds', '0', '1', '--launcher', 'pytorch']) == 1
    assert 'mmfer train c.py --seeds 0 1 --processes N' in capsys.readouterr().err


@pytest.mark.parametrize(('resumed', 'count'), [(False, '0'), (True, '1')])
def test_started_again_continues_its_seeds(tmp_path, monkeypatch, resumed, count):
    words = []
    monkeypatch.setattr(
        schedule, 'command', lambda *args, **kw: (words.extend(args), [sys.executable, '-S', '-c', ''])[1]
    )
    monkeypatch.setenv('SLURM_RESTART_COUNT', count)
    config = str(ROOT / 'configs/poster_var/synth.py')
    assert main(['train', config, '--work-dir', str(tmp_path), '--seeds', '0']) == 1  # it left no finished.json
    assert ('--resume' in words) is resumed


@pytest.mark.parametrize(('name', 'shown', 'code'), [('SIGINT', 'Ctrl-C', 130), ('SIGTERM', 'SIGTERM', 143)])
def test_stopped_before_a_training_begins(call_tool, tmp_path, monkeypatch, name, shown, code):
    def strike(*args, **kwargs):
        os.kill(os.getpid(), getattr(signal, name))
        time.sleep(5)

    monkeypatch.setattr('mmengine.config.config.FormatCode', strike)  # where MMEngine takes Ctrl-C for a syntax error
    found, _, err = call_tool('tools/train.py', ROOT / 'configs/poster_var/synth.py', '--work-dir', tmp_path)
    assert found == code
    assert err.splitlines()[-1] == f'error: stopped by {shown}: no training was running, so nothing was saved'
    assert 'Traceback' not in err
    assert not list(tmp_path.glob('*.*'))


@pytest.mark.parametrize('gpu', [False, True])
def test_memory_is_kept_on_cpus_before_training_begins(monkeypatch, gpu):
    calls = []
    monkeypatch.setattr('torch.cuda.is_available', lambda: gpu)
    monkeypatch.setattr('mmfer.utils.memory.keep_freed_memory', lambda: calls.append('keep'))
    module = importlib.import_module('mmfer.engine.train')  # whose name in the package is that of its function
    monkeypatch.setattr(module, 'train', lambda *args, **kwargs: calls.append('train'))
    assert main(['train', 'configs/poster_var/synth.py']) == 0
    assert calls == (['train'] if gpu else ['keep', 'train'])
