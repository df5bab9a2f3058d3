import json

import pytest
from processes import python
from torch.utils.data import DataLoader

from mmfer.datasets import SynthFER
from mmfer.engine.workers import SampleError, explained_worker_deaths, named_errors
from mmfer.utils.errors import run_tool


class Spoiled:
    """A data set whose sample 5 is spoiled by ``act``."""

    def __init__(self, act):
        self.dataset = SynthFER(split='train', num_samples=12, size=16)
        self.act = act

    def __len__(self):
        return 12

    def __getitem__(self, index):
        with named_errors(self.dataset, index):
            if index == 5:
                self.act()
            return self.dataset[index]['gt_label']


def missing_file():
    open('nowhere/face.jpg').close()


def bug():
    raise KeyError('scale')


@pytest.mark.parametrize('workers', [0, 2])
def test_errors_name_the_sample(workers, capsys):
    loader = DataLoader(Spoiled(missing_file), num_workers=workers)
    assert run_tool(lambda: list(loader)) == 1
    error = capsys.readouterr().err
    assert 'synth/train/000005.png (sample 5): ' in error
    assert 'nowhere/face.jpg' in error
    assert 'Traceback' not in error
    with pytest.raises(
        RuntimeError, match=r"(?s)synth/train/000005.png \(sample 5\) could not be loaded: KeyError: 'sc"
    ):
        list(DataLoader(Spoiled(bug), num_workers=workers))


def test_an_error_that_names_its_file_stays_as_it_is():
    data = SynthFER(split='train', num_samples=6, size=16)
    with pytest.raises(SampleError) as error, named_errors(data, 5):
        raise FileNotFoundError('synth/train/000005.png: not there')
    assert str(error.value) == 'synth/train/000005.png: not there'


# Loads data in two workers in which sample 5, or each, does something: in one process a case, forked after the imports.
# PyTorch raises errors about dead workers anywhere, so not in the process of the tests.
LOADING = """
import json, os, signal, sys
from torch.utils.data import DataLoader
from mmfer.engine.workers import explained_worker_deaths, protect_worker
from mmfer.utils.errors import run_tool

class Data:
    def __init__(self, act):
        self.act = act
    def __len__(self):
        return 12
    def __getitem__(self, i):
        protect_worker()
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


@pytest.mark.parametrize('case', ['killed', 'ended'])
def test_a_worker_that_dies_names_the_usual_cause(loading, case):
    code, _, err = loading(case)
    assert code == 1, err
    assert 'error: a data loading worker died' in err
    assert 'memory: take fewer workers (num_workers' in err
    assert 'Traceback' not in err


def test_signals_that_stop_a_run_pass_its_workers(loading):
    """Slurm and torchrun send them to all processes, and the run needs its workers to finish the iteration."""
    code, out, err = loading('signals')
    assert (code, out) == (0, f'{list(range(12))}\n'), err


@pytest.mark.parametrize('error', [RuntimeError('shape'), EOFError('of another file'), ConnectionError('refused')])
def test_other_errors_are_left_alone(error):
    with pytest.raises(type(error), match=f'^{error}$'), explained_worker_deaths():
        raise error
