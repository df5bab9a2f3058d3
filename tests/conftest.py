import os
from pathlib import Path

import pytest
import torch

# One thread a process: the tests share few cores with their subprocesses.
os.environ.setdefault('OMP_NUM_THREADS', '1')
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def root():
    """The top of the repository."""
    return Path(__file__).resolve().parents[1]
