import subprocess
import sys

import pytest

from mmfer.utils import memory

SCRIPT = """
import resource, sys, torch
from mmfer.utils.memory import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def use():
    before = faults()
    x = torch.ones(40 * 2**20, dtype=torch.uint8)  # above what glibc keeps
    assert int(x[::4096].sum()) == 40 * 2**8
    return faults() - before

use()
plain = sum(use() for _ in range(4))
kept = keep_freed_memory()
for _ in range(8):  # where blocks lie differs from run to run: the heap may grow more than once at first
    use()
print(kept, plain, sum(use() for _ in range(4)))
"""


@pytest.mark.slow
def test_freed_memory_is_used_again():
    done = subprocess.run([sys.executable, '-c', SCRIPT], capture_output=True, text=True, check=True)
    kept, plain, then = done.stdout.split()
    if kept == 'True':
        # transparent huge pages make few faults of many
        assert int(then) < 50
        assert int(then) <= int(plain)


def test_other_systems_do_as_they_do(monkeypatch):
    monkeypatch.setattr(memory.sys, 'platform', 'darwin')
    assert memory.keep_freed_memory() is False

    class Without:
        def __init__(self, name):
            pass

    monkeypatch.setattr(memory.sys, 'platform', 'linux')
    monkeypatch.setattr(memory.ctypes, 'CDLL', Without)
    assert memory.keep_freed_memory() is False
