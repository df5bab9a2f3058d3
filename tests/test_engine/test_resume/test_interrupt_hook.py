import os
import signal
import threading
import time
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from small_runs import shallow_config

from mmfer.apis import build_runner
from mmfer.engine.resume.interrupt_hook import SIGNALS, Interrupted, InterruptHook, was_restarted
from mmfer.registry import HOOKS
from mmfer.utils.errors import run_tool

HANDLED = [getattr(signal, name) for name in SIGNALS]


@HOOKS.register_module(force=True)
class SignalAt(Hook):
    """Sends this process a signal the ``count``-th time that ``stage`` comes."""

    def __init__(self, stage, count=1, name='SIGTERM'):
        self.left, self.number = count, getattr(signal, name)
        setattr(self, stage, self._strike)

    def _strike(self, runner, *args, **kwargs):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.number)


def config_with(work_dir, *hooks, epochs=2):
    config = shallow_config(work_dir, epochs)  # two iterations and one batch of validation each
    config.custom_hooks = [dict(type='SignalAt', **options) for options in hooks]
    return config


def weights(path):
    return torch.load(path, weights_only=True)['state_dict']


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp('whole')
    build_runner(shallow_config(folder, epochs=2)).train()
    return weights(folder / 'epoch_2.pth')


@pytest.mark.parametrize(
    ('stage', 'count', 'name', 'file'),
    [
        ('before_train_iter', 1, 'SIGTERM', 'epoch_0_iter_1.pth'),
        ('before_train_iter', 2, 'SIGUSR1', 'epoch_1.pth'),  # the last iteration: the epoch is brought to its end
        ('after_train_epoch', 1, 'SIGINT', 'epoch_1.pth'),
        ('before_val_iter', 1, 'SIGTERM', 'epoch_1.pth'),
        ('after_val_epoch', 1, 'SIGTERM', 'epoch_1.pth'),
        ('before_train_iter', 3, 'SIGINT', 'epoch_1_iter_3.pth'),
    ],
)
def test_a_signal_saves_and_the_rest_follows(tmp_path, whole, capfd, stage, count, name, file):
    before = [signal.getsignal(number) for number in HANDLED]
    number = getattr(signal, name)
    with pytest.raises(Interrupted) as stop:
        build_runner(config_with(tmp_path, dict(stage=stage, count=count, name=name))).train()
    assert stop.value.code == 128 + number
    assert stop.value.checkpoint == tmp_path / file
    assert stop.value.checkpoint.is_file()
    assert [signal.getsignal(number) for number in HANDLED] == before
    out, err = capfd.readouterr()
    assert f'{name}: saving after this iteration' in err
    assert file in out + err
    assert '--resume continues' in out + err

    build_runner(config_with(tmp_path), resume=True).train()
    rest = weights(tmp_path / 'epoch_2.pth')
    assert all(torch.equal(rest[key], value) for key, value in whole.items())
    assert not list(tmp_path.glob('epoch_*_iter_*.pth'))


def test_a_signal_at_the_very_end_still_counts(tmp_path):
    """Whoever stops a script with several trainings does not want the next one."""
    with pytest.raises(Interrupted) as stop:
        build_runner(config_with(tmp_path, dict(stage='after_val_epoch', count=1), epochs=1)).train()
    assert stop.value.code == 143
    assert (tmp_path / 'epoch_1.pth').is_file()


def test_before_the_first_iteration_there_is_nothing_to_save(tmp_path):
    with pytest.raises(Interrupted) as stop:
        build_runner(config_with(tmp_path, dict(stage='before_train_epoch'))).train()
    assert stop.value.checkpoint is None
    assert not list(tmp_path.glob('*.pth'))


def test_second_ctrl_c_stops_at_once(monkeypatch, capfd):
    hook = InterruptHook()
    hook._install()
    try:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)  # torchrun passes on what the terminal has already sent
        assert hook._signum == signal.SIGINT
        clock = time.monotonic
        monkeypatch.setattr(time, 'monotonic', lambda: clock() + 2)

        def again():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)

        assert run_tool(again) == 130
        assert not hook._former
    finally:
        hook.restore()
    err = capfd.readouterr().err
    assert 'Ctrl-C again stops at once' in err
    assert err.endswith('error: stopped by Ctrl-C: what came after the last checkpoint is not saved\n')


def test_data_loading_workers_are_left_out():
    hook = InterruptHook()
    hook._pid = os.getpid() + 1
    hook._handle(signal.SIGTERM, None)
    assert hook._signum == 0


def test_other_threads_leave_signals_alone():
    before = [signal.getsignal(number) for number in HANDLED]
    hook = InterruptHook()
    thread = threading.Thread(target=hook._install)
    thread.start()
    thread.join()
    assert [signal.getsignal(number) for number in HANDLED] == before
    assert not hook._agreed(SimpleNamespace(distributed=False))


@pytest.mark.parametrize(
    ('environment', 'expected'),
    [
        ({}, False),
        (dict(TORCHELASTIC_RESTART_COUNT='0', SLURM_RESTART_COUNT=''), False),
        (dict(TORCHELASTIC_RESTART_COUNT='2'), True),
        (dict(SLURM_RESTART_COUNT='1'), True),
    ],
)
def test_restarts_are_known(environment, expected):
    assert was_restarted(environment) is expected
