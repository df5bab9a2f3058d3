import gc
import os
import sys
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from processes import load_tool

# One thread a process: the tests share few cores with their subprocesses.
os.environ.setdefault('OMP_NUM_THREADS', '1')
torch.set_num_threads(1)


def pytest_collection_finish():
    """Spare what is imported from the search for garbage, which every data set starts: it takes half a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope='session')
def _plain_config_text():
    """Dump configs as valid Python without a fine layout: that takes longer than a small training, four times a run.

    The layout is used by the tools that tests start as processes, and wherever ``pretty_layout`` is asked for.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('mmengine.config.config.FormatCode', lambda text, **options: (text, True))
        yield


@pytest.fixture(autouse=True, scope='session')
def _own_cache(tmp_path_factory):
    """Keep out of the user's cache, and fetch nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MMFER_CACHE', str(tmp_path_factory.mktemp('cache')))
        patch.setenv('MMFER_OFFLINE', '1')
        yield


@pytest.fixture
def pretty_layout(monkeypatch):
    """Dump configs as users do."""
    from yapf.yapflib.yapf_api import FormatCode

    monkeypatch.setattr('mmengine.config.config.FormatCode', FormatCode)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(scope='session')
def trained(tmp_path_factory):
    """The work dir of a training of ``small_config``, two epochs: one for all processes of the tests, only to read."""
    base = tmp_path_factory.getbasetemp()
    work_dir = (base.parent if 'PYTEST_XDIST_WORKER' in os.environ else base) / 'trained'
    with FileLock(f'{work_dir}.lock'):
        if not (work_dir / 'finished.json').is_file():
            from small_runs import small_config

            from mmfer.apis import build_runner

            build_runner(small_config(work_dir, epochs=2)).train()
    return work_dir


@pytest.fixture
def root():
    """The top of the repository."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture
def call_tool(monkeypatch, capfd):
    """Runs a tool's ``main()`` in this process: ``(tool, *arguments) -> (exit code, output, errors)``.

    The tool is a module of :func:`processes.load_tool`, or its path below the repository, or a verb.
    """

    def call(tool, *arguments):
        tool = load_tool(tool) if isinstance(tool, str) else tool
        monkeypatch.setattr(sys, 'argv', [tool.__file__, *map(str, arguments)])
        capfd.readouterr()
        code = tool.main()
        return (code, *capfd.readouterr())

    return call
