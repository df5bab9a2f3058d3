import json
import os
import re
import subprocess
import sys

import pytest

from mmfer.utils import folder_lock
from mmfer.utils.folder_lock import sole_run

pytestmark = pytest.mark.skipif(os.name == 'nt', reason='no such locks')
HOLD = """
import os, subprocess, sys
from mmfer.utils.folder_lock import sole_run
with sole_run(sys.argv[1], print) as files:
    if sys.argv[2] == 'child':
        subprocess.Popen([sys.executable, '-S', '-c', 'input()'], pass_fds=files)
    if sys.argv[2] != 'fork' or not os.fork():  # the child, once it has dropped the lock
        print('held', flush=True)
    sys.stdin.read(1)
"""


def hold(path, how='alone'):
    """A process that holds a lock until it gets a letter; its child, forked or with the open file, ends with it."""
    words = [sys.executable, '-c', HOLD, str(path), how]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == 'held\n'
    return process


@pytest.fixture
def short_watch(monkeypatch):
    monkeypatch.setattr(folder_lock, 'BEAT', 0.02)


def leave(path, **changes):
    """What a process that is dead has left behind."""
    there = dict(host=folder_lock.socket.gethostname(), process=1234, since='2025-01-31 12:00:00')
    path.write_text(json.dumps({**there, **changes}))


def test_the_second_is_refused_and_the_next_is_welcome(tmp_path):
    path = tmp_path / 'work' / 'training.lock'
    process, lines = hold(path), []
    with pytest.raises(ValueError) as error, sole_run(path, lines.append):
        pass
    host = re.escape(folder_lock.socket.gethostname())
    expected = rf'{re.escape(str(path.parent))} is in use: .*process {process.pid} on {host} \(since 20\d\d-\S+ \S+\)'
    assert re.match(expected, str(error.value))
    assert str(path) in str(error.value)
    process.communicate('x')
    assert not path.exists()
    with sole_run(path, lines.append), pytest.raises(ValueError, match=f'process {os.getpid()} '):
        sole_run(path, lines.append).__enter__()
    assert not path.exists()
    assert lines == []


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path):
    path, lines = tmp_path / 'training.lock', []
    process = hold(path)
    process.kill()
    process.communicate()
    with sole_run(path, lines.append):
        assert json.loads(path.read_text())['process'] == os.getpid()
    (line,) = lines
    assert f'{path} is taken over from process {process.pid} on ' in line


def test_an_error_releases_it(tmp_path):
    with pytest.raises(KeyboardInterrupt), sole_run(tmp_path / 'a.lock', print):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_what_inherits_it_keeps_it(tmp_path):
    path = tmp_path / 'comparison.lock'
    process = hold(path, 'child')
    process.kill()
    process.wait()
    with pytest.raises(ValueError, match=f'process {process.pid} .*or by what it started'), sole_run(path, print):
        pass
    process.stdin.close()  # ends the child
    process.stdout.read()  # until it has
    with sole_run(path, print):
        pass


def test_forked_workers_do_not_keep_it(tmp_path):
    process = hold(tmp_path / 'training.lock', 'fork')
    process.kill()
    process.wait()
    with sole_run(tmp_path / 'training.lock', print):
        pass
    process.communicate('x')


def test_the_lock_of_another_host_is_watched(tmp_path, short_watch):
    """Some network disks show locks to one host only: the holder's touches tell the other ones that it is alive."""
    path, lines = tmp_path / 'training.lock', []
    leave(path, host='elsewhere')
    with sole_run(path, lines.append):
        pass
    assert 'from process 1234 on elsewhere (since 2025-01-31 12:00:00), which ended' in lines[0]

    leave(path, host='elsewhere')
    alive = folder_lock.threading.Event()
    beats = folder_lock.threading.Thread(target=folder_lock._touch, args=(path, alive))
    beats.start()
    try:
        with pytest.raises(ValueError, match='process 1234 on elsewhere'), sole_run(path, lines.append):
            pass
        assert json.loads(path.read_text())['host'] == 'elsewhere'
    finally:
        alive.set()
        beats.join()
    assert len(lines) == 1


def test_without_locks_of_the_system_the_file_is_watched(tmp_path, short_watch, monkeypatch):
    monkeypatch.setattr(folder_lock, 'fcntl', None)
    path = tmp_path / 'training.lock'
    with sole_run(path, print) as files:
        assert files == ()
        with pytest.raises(ValueError, match=f'process {os.getpid()} '), sole_run(path, print):
            pass
    with sole_run(path, print):
        pass


def test_what_another_run_put_there_stays(tmp_path):
    path = tmp_path / 'training.lock'
    with sole_run(path, print):
        path.unlink()  # as the message says
        leave(path)
    assert json.loads(path.read_text())['process'] == 1234
    path.write_text('damaged')
    with sole_run(path, print):
        pass
