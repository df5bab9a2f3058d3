import io
import logging
import sys
from types import SimpleNamespace

import pytest
from mmengine.logging import MMLogger

from mmfer.engine import ProgressHook

RUNNER = SimpleNamespace(
    epoch=0, max_epochs=2, train_dataloader=range(3), val_dataloader=range(2), test_dataloader=range(2)
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(hook):
    for mode, loader in (('train', RUNNER.train_dataloader), ('val', RUNNER.val_dataloader)):
        getattr(hook, f'before_{mode}_epoch')(RUNNER)
        for i in loader:
            getattr(hook, f'after_{mode}_iter')(RUNNER, i)
            yield hook._progress
        getattr(hook, f'after_{mode}_epoch')(RUNNER)


def test_bar_counts_on_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, 'stderr', Terminal())
    hook = ProgressHook()
    done = [progress.tasks[0].completed for progress in run(hook)]
    assert done == [1, 2, 3, 1, 2]
    assert hook._progress is None
    assert 'epoch 1/2' in sys.stderr.getvalue()


def test_silent_without_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, 'stderr', io.StringIO())
    assert list(run(ProgressHook())) == [None] * 5
    assert sys.stderr.getvalue() == ''


@pytest.mark.parametrize('piped', [False, True])
def test_log_lines_do_not_tear_the_bar(monkeypatch, piped):
    """The log goes through rich while a bar is shown, but stays in the pipe where standard output is one."""
    out = io.StringIO() if piped else Terminal()
    monkeypatch.setattr(sys, 'stdout', out)
    monkeypatch.setattr(sys, 'stderr', Terminal())
    logger = MMLogger.get_current_instance()
    handler = logging.StreamHandler(out)
    logger.addHandler(handler)
    try:
        hook = ProgressHook()
        for _ in run(hook):
            assert (handler.stream is out) is piped
        assert handler.stream is out
    finally:
        logger.removeHandler(handler)
