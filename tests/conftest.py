import os
from pathlib import Path

import pytest
import torch

# One thread, and threads that sleep rather than spin while they wait: the tests share few cores with subprocesses.
os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('OMP_WAIT_POLICY', 'passive')
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def root():
    """The top of the repository."""
    return Path(__file__).resolve().parents[1]
