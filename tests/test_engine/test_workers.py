import pytest
from processes import python
from small_runs import shallow_config
from torch.utils.data import DataLoader

from mmfer.apis import build_runner
from mmfer.datasets import SynthFER
from mmfer.engine.workers import SampleError, named_errors
from mmfer.utils.errors import TrainingError, run_tool


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


SIGNALLED = """
import os, signal
from torch.utils.data import DataLoader
from mmfer.engine.workers import protect_worker

class Data(list):
    def __getitem__(self, i):
        protect_worker()
        for name in ('SIGTERM', 'SIGINT', 'SIGUSR1'):
            os.kill(os.getpid(), getattr(signal, name))
        return i

print([int(i) for i in DataLoader(Data(range(12)), num_workers=2)])
"""


def test_signals_that_stop_a_run_pass_its_workers():
    """Slurm and torchrun send them to all processes, and the run needs its workers to finish the iteration."""
    result = python('-c', SIGNALLED, timeout=120)
    assert (result.returncode, result.stdout) == (0, f'{list(range(12))}\n'), result.stderr


def test_a_worker_that_dies_names_the_usual_cause(tmp_path):
    runner = build_runner(shallow_config(tmp_path))

    def die(*args, **kwargs):
        raise RuntimeError('DataLoader worker (pid 7) is killed by signal: Killed.')

    runner.model.train_step = die
    with pytest.raises(TrainingError, match=r'worker died .*memory: take fewer workers \(num_workers'):
        runner.train()
