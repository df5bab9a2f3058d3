import json
import math
import os
from types import SimpleNamespace

import pytest
import torch
from mmfer.engine.worker_watch import SampleError, WorkerWatch, explained_worker_deaths, sample_name
from processes import python
from small_runs import small_config
from torch.utils.data import DataLoader

from mmfer.apis import build_runner
from mmfer.datasets import SynthFER
from mmfer.engine.hooks.guard_hook import GuardHook, check_loader, newest_checkpoint
from mmfer.models import LinearHead
from mmfer.registry import MODELS
from mmfer.utils.errors import TrainingError, run_tool


@MODELS.register_module(force=True)
class BadLossHead(LinearHead):
    """Its loss is not finite from one step on."""

    value, left = math.nan, 3

    def loss(self, *args, **kwargs):
        losses = super().loss(*args, **kwargs)
        type(self).left -= 1
        if type(self).left < 0:
            losses['loss_extra'] = next(iter(losses.values())) * 0 + self.value
        return losses


def bad_config(work_dir, left, value=math.nan):
    BadLossHead.left, BadLossHead.value = left, value
    config = small_config(work_dir, epochs=3)
    config.model.head = dict(type='BadLossHead', num_classes=7, in_channels=16)
    config.custom_hooks = [dict(type=GuardHook)]
    return config


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, value, capsys):
    runner = build_runner(bad_config(tmp_path, 3, value))
    assert run_tool(runner.train) == 1
    message = capsys.readouterr().err
    message = message[message.index('error: ') :]
    assert 'iteration 4 (epoch 2, batch 2 of 2)' in message
    assert f'loss_extra={value:.6g}' in message
    assert 'loss_ce=' in message
    assert message.count('synth/train/') == 10
    assert '(4 more)' in message
    assert str(tmp_path / 'epoch_1.pth') in message
    assert 'optim_wrapper.clip_grad' in message
    assert not (tmp_path / 'epoch_2.pth').exists()


def test_checkpoints_of_an_earlier_run_are_not_called_good(tmp_path):
    (tmp_path / 'epoch_9.pth').write_bytes(b'')
    os.utime(tmp_path / 'epoch_9.pth', (1e9, 1e9))
    with pytest.raises(TrainingError, match='last good checkpoint: none was written by this run'):
        build_runner(bad_config(tmp_path, 0)).train()


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    runner = build_runner(bad_config(tmp_path, 99))
    with torch.no_grad():
        runner.model.head.fc.weight[0, 0] = math.nan
        runner.model.head.fc.bias[0] = math.inf
    hook = next(hook for hook in runner.hooks if isinstance(hook, GuardHook))
    with pytest.raises(TrainingError, match=r'head\.fc\.weight, head\.fc\.bias\. Nothing was saved'):
        hook.before_save_checkpoint(runner, {})


def fake_runner(tmp_path, **options):
    defaults = dict(
        rank=0,
        distributed=False,
        iter=0,
        epoch=0,
        work_dir=str(tmp_path),
        train_dataloader=range(5),
        message_hub=SimpleNamespace(log_scalars={}),
        _resume=False,
        optim_wrapper=SimpleNamespace(update_params=lambda: None),
    )
    return SimpleNamespace(**{**defaults, **options})


def test_sharpness_and_refused_steps_count(tmp_path):
    hook, batch = GuardHook(), dict(data_samples=[SimpleNamespace(img_path='a.jpg'), SimpleNamespace(sample_idx=7)])
    scalars = {'train/sharpness': SimpleNamespace(current=lambda: math.inf)}
    runner = fake_runner(tmp_path, message_hub=SimpleNamespace(log_scalars=scalars))
    with pytest.raises(TrainingError, match=r'(?s)loss=0\.5, sharpness=inf.*a\.jpg, sample 7'):
        hook.after_train_iter(runner, 0, batch, dict(loss=torch.tensor(0.5)))

    def refuse():
        raise FloatingPointError('the gradient has norm inf')

    runner = fake_runner(tmp_path, optim_wrapper=SimpleNamespace(update_params=refuse))
    hook.before_train(runner)
    runner.optim_wrapper.update_params()
    with pytest.raises(TrainingError, match='the gradient has norm inf'):
        hook.after_train_iter(runner, 0, batch, dict(loss=torch.tensor(0.5)))


def test_finite_losses_pass(tmp_path):
    outputs = dict(loss=torch.tensor(1.0, requires_grad=True), table=torch.full((2,), math.nan), name='x')
    GuardHook().after_train_iter(fake_runner(tmp_path), 0, [1, 2], outputs)


def test_newest_checkpoint_is_told_by_its_name(tmp_path):
    assert newest_checkpoint(tmp_path) is None
    for name in ('epoch_2.pth', 'epoch_10.pth', 'epoch_10_iter_7.pth', 'epoch_9_iter_70.pth', 'best_accuracy_99.pth'):
        (tmp_path / name).write_bytes(b'')
    assert newest_checkpoint(tmp_path).name == 'epoch_10_iter_7.pth'
    (tmp_path / 'iter_3.pth').write_bytes(b'')
    assert newest_checkpoint(tmp_path).name == 'epoch_10_iter_7.pth'


def test_an_empty_loader_says_its_numbers(tmp_path):
    with pytest.raises(
        TrainingError, match=r'(?s)12 samples, batch_size=16, drop_last=True.*batch_size to 12 or less.*drop_last=False'
    ):
        check_loader(DataLoader(range(12), batch_size=16, drop_last=True))
    with pytest.raises(TrainingError, match=r'val_dataloader yields no batch: the data set has 0 samples'):
        check_loader(DataLoader([]), 'val_dataloader')
    check_loader(DataLoader(range(12), batch_size=16))
    check_loader(DataLoader(iter(range(3)), batch_size=None))

    config = small_config(tmp_path)
    config.custom_hooks = [dict(type=GuardHook)]
    config.train_dataloader.update(batch_size=64, drop_last=True)
    config.param_scheduler = []
    with pytest.raises(TrainingError, match='28 samples, batch_size=64'):
        build_runner(config).train()


def test_a_stream_without_samples(tmp_path):
    with pytest.raises(TrainingError, match='yielded no batch'):
        GuardHook().after_train_epoch(fake_runner(tmp_path))
    GuardHook().after_train_epoch(fake_runner(tmp_path, iter=1))


# ---- data loading workers -----------------------------------------------------------------------------------------
class Watched:
    """What a data set that seeds its samples does with the watch; ``act`` spoils sample 5."""

    def __init__(self, act):
        self.dataset = SynthFER(split='train', num_samples=12, size=16)
        self.watch = WorkerWatch(self.dataset)
        self.act = act

    def __len__(self):
        return 12

    def __getitem__(self, index):
        with self.watch.sample(index):
            if index == 5:
                self.act()
            return self.dataset[index]['gt_label']


def missing_file():
    open('nowhere/face.jpg').close()


def bug():
    raise KeyError('scale')


@pytest.mark.parametrize('workers', [0, 2])
def test_errors_name_the_sample(workers, capsys):
    loader = DataLoader(Watched(missing_file), num_workers=workers)
    assert run_tool(lambda: list(loader)) == 1
    error = capsys.readouterr().err
    assert 'synth/train/000005.png (sample 5): ' in error
    assert 'nowhere/face.jpg' in error
    assert 'Traceback' not in error
    with pytest.raises(
        RuntimeError, match=r"(?s)synth/train/000005.png \(sample 5\) could not be loaded: KeyError: 'sc"
    ):
        list(DataLoader(Watched(bug), num_workers=workers))


def test_an_error_that_names_its_file_stays_as_it_is():
    watch = WorkerWatch(SynthFER(split='train', num_samples=6, size=16))
    with pytest.raises(SampleError) as error, watch.sample(5):
        raise FileNotFoundError('synth/train/000005.png: not there')
    assert str(error.value) == 'synth/train/000005.png: not there'


# Loads data in two workers in which sample 5, or each, does something: in one process a case, forked after the imports.
# PyTorch raises errors about dead workers anywhere, so not in the process of the tests.
LOADING = """
import json, os, signal, sys
from torch.utils.data import DataLoader
from mmfer.engine.worker_watch import WorkerWatch, explained_worker_deaths
from mmfer.utils.errors import run_tool

class Data:
    def __init__(self, act):
        self.act, self.watch = act, WorkerWatch(self)
    def entry(self, i):
        return dict(img_path=f'faces/{i}.jpg')
    def __len__(self):
        return 12
    def __getitem__(self, i):
        with self.watch.sample(i):
            self.act(i)
            return i

def signals(i):
    for name in ('SIGTERM', 'SIGINT', 'SIGUSR1'):
        os.kill(os.getpid(), getattr(signal, name))

def load(act):
    with explained_worker_deaths():
        print([int(i) for i in DataLoader(Data(act), num_workers=2)])

def killed(i):
    if i == 5:
        os.kill(os.getpid(), signal.SIGKILL)

def ended(i):
    if i == 5:
        os._exit(3)

for act in (killed, ended, signals):
    name = act.__name__
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(f'{name}.out', os.O_WRONLY | os.O_CREAT), 1)
        os.dup2(os.open(f'{name}.err', os.O_WRONLY | os.O_CREAT), 2)
        code = run_tool(lambda: load(act))
        sys.stdout.flush()
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with open(f'{name}.json', 'w') as file:
        json.dump([code, open(f'{name}.out').read(), open(f'{name}.err').read()], file)
"""


@pytest.fixture(scope='module')
def loading(tmp_path_factory):
    """Exit code, output and errors of a case of ``LOADING``."""
    folder = tmp_path_factory.mktemp('loading')
    result = python('-c', LOADING, cwd=folder, timeout=120)
    assert result.returncode == 0, result.stderr
    return lambda name: json.loads((folder / f'{name}.json').read_text())


@pytest.mark.parametrize(
    ('case', 'text'), [('killed', "killed by the signal 'Killed'"), ('ended', 'ended unexpectedly')]
)
def test_a_worker_that_dies_names_its_sample(loading, case, text):
    code, _, err = loading(case)
    assert code == 1, err
    assert text in err
    assert 'while it loaded faces/5.jpg (sample 5), or just after' in err
    assert 'num_workers' in err
    assert 'Traceback' not in err


def test_signals_that_stop_a_run_pass_its_workers(loading):
    """Slurm and torchrun send them to all processes, and the run needs its workers to finish the iteration."""
    code, out, err = loading('signals')
    assert (code, out) == (0, f'{list(range(12))}\n'), err


def test_other_errors_are_left_alone():
    with pytest.raises(RuntimeError, match='^shape$'), explained_worker_deaths():
        raise RuntimeError('shape')


def test_names_without_paths():
    assert sample_name(SimpleNamespace(get_data_info=lambda i: {}), 3) == 'sample 3'
    assert sample_name([], 3) == 'sample 3'
