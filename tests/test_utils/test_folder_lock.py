import os
import re
import socket
import subprocess
import sys

import pytest

from mmfer.utils.folder_lock import sole_run

pytestmark = pytest.mark.skipif(os.name == 'nt', reason='no such locks')
HOLD = """
import os, sys
from mmfer.utils.folder_lock import sole_run
with sole_run(sys.argv[1]):
    if sys.argv[2] != 'fork' or not os.fork():  # the child, once it has dropped the lock
        print('held', flush=True)
    sys.stdin.read(1)
"""


def hold(path, how='alone'):
    """A process that holds a lock until it gets a letter; its forked child ends with it."""
    words = [sys.executable, '-c', HOLD, str(path), how]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == 'held\n'
    return process


def test_the_second_is_refused_and_the_next_is_welcome(tmp_path):
    path = tmp_path / 'work' / 'training.lock'
    process = hold(path)
    host = re.escape(socket.gethostname())
    words = rf'{re.escape(str(path.parent))} is in use: .*process {process.pid} on {host} \(since 20\d\d-\S+ \S+\)'
    with pytest.raises(ValueError, match=words), sole_run(path):
        pass
    process.communicate('x')
    assert not path.exists()
    with sole_run(path), pytest.raises(ValueError, match=f'process {os.getpid()} '):
        sole_run(path).__enter__()
    assert not path.exists()


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    process = hold(tmp_path / 'training.lock')
    process.kill()
    process.communicate()
    with sole_run(tmp_path / 'training.lock'):
        pass


def test_an_error_releases_it(tmp_path):
    with pytest.raises(KeyboardInterrupt), sole_run(tmp_path / 'a.lock'):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_forked_workers_do_not_keep_it(tmp_path):
    process = hold(tmp_path / 'training.lock', 'fork')
    process.kill()
    process.wait()
    with sole_run(tmp_path / 'training.lock'):
        pass
    process.communicate('x')
