"""A corpus whose processes are killed at random has the table of one that is left alone."""

import argparse
import os

import corpus
import pytest

pytest.importorskip('pandas')
pytest.importorskip('pyarrow')


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir('/proc/self/task'), reason='looks for child processes in /proc')
def test_killed_again_and_again(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(filter(None, [os.getcwd(), os.environ.get('PYTHONPATH')])))
    sizes = dict(photos=60, clips=3, broken=0.05, processes=2, kills=4, pause=None, shard=8)
    assert corpus.run(tmp_path, argparse.Namespace(**sizes)) >= 2
    assert '63 files' in capfd.readouterr().out
