import io
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.logging import MessageHub, MMLogger

from mmfer.engine import ProgressHook

ROOT = Path(__file__).resolve().parents[2]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def runner():
    hub = MessageHub('progress')
    return SimpleNamespace(
        epoch=0,
        max_epochs=2,
        train_dataloader=range(3),
        val_dataloader=range(2),
        test_dataloader=range(2),
        message_hub=hub,
    )


def run(hook, runner):
    for mode, loader in (('train', runner.train_dataloader), ('val', runner.val_dataloader)):
        getattr(hook, f'before_{mode}_epoch')(runner)
        for i in loader:
            getattr(hook, f'after_{mode}_iter')(runner, i)
            yield hook._progress
        getattr(hook, f'after_{mode}_epoch')(runner)


def test_bar_counts_on_a_terminal(monkeypatch, runner):
    monkeypatch.setattr(sys, 'stderr', Terminal())
    hook = ProgressHook()
    done = [progress.tasks[0].completed for progress in run(hook, runner)]
    assert done == [1, 2, 3, 1, 2]
    assert hook._progress is None
    assert 'epoch 1/2' in sys.stderr.getvalue()


def test_shows_loss_speed_and_time_left_while_training(monkeypatch, runner):
    monkeypatch.setattr(sys, 'stderr', Terminal())
    runner.message_hub.update_scalar('train/loss', 1.25)
    runner.message_hub.update_scalar('train/images_per_s', 83.2)
    runner.message_hub.update_info('eta', 3725.4)
    figures = [progress.tasks[0].fields['figures'] for progress in run(ProgressHook(), runner)]
    assert figures == ['loss 1.25, 83.2 images/s, 1:02:05 in all'] * 3 + [''] * 2


def test_silent_without_a_terminal(monkeypatch, runner):
    monkeypatch.setattr(sys, 'stderr', io.StringIO())
    assert list(run(ProgressHook(), runner)) == [None] * 5
    assert sys.stderr.getvalue() == ''


@pytest.mark.parametrize('piped', [False, True])
def test_log_lines_do_not_tear_the_bar(monkeypatch, runner, piped):
    """The log goes through rich while a bar is shown, but stays in the pipe where standard output is one."""
    out = io.StringIO() if piped else Terminal()
    monkeypatch.setattr(sys, 'stdout', out)
    monkeypatch.setattr(sys, 'stderr', Terminal())
    logger = MMLogger.get_current_instance()
    handler = logging.StreamHandler(out)
    logger.addHandler(handler)
    try:
        hook = ProgressHook()
        for _ in run(hook, runner):
            assert (handler.stream is out) is piped
        assert handler.stream is out
    finally:
        logger.removeHandler(handler)


def test_an_error_gives_the_cursor_back():
    pty = pytest.importorskip('pty', reason='no pseudo-terminals here')
    code = (
        'from types import SimpleNamespace as N\n'
        'from mmfer.engine import ProgressHook\n'
        'runner = N(epoch=0, max_epochs=2, train_dataloader=range(3))\n'
        'ProgressHook().before_train_epoch(runner)\n'
        "raise OSError('disk')\n"
    )
    parent, child = pty.openpty()
    env = dict(os.environ, PYTHONPATH=str(ROOT), TERM='xterm', OMP_NUM_THREADS='1')
    process = subprocess.Popen([sys.executable, '-c', code], env=env, stdout=subprocess.DEVNULL, stderr=child)
    os.close(child)
    shown = b''
    while True:
        try:
            part = os.read(parent, 4096)
        except OSError:  # Linux says so when the other side is closed
            break
        if not part:
            break
        shown += part
    os.close(parent)
    assert process.wait(60) == 1
    assert b'OSError: disk' in shown
    assert shown.rfind(b'\x1b[?25h') > shown.rfind(b'\x1b[?25l') >= 0  # shown again after it was hidden
