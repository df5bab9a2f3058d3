import multiprocessing
import os
from pathlib import Path

import numpy as np

from mmfer.utils.cache import cached_array, source_digest
from mmfer.utils.cache_dir import cache_dir


def test_the_folder_is_where_the_environment_says(monkeypatch):
    monkeypatch.setenv('MMFER_CACHE', '~/elsewhere')
    assert cache_dir() == Path.home() / 'elsewhere'
    monkeypatch.delenv('MMFER_CACHE')
    monkeypatch.setenv('XDG_CACHE_HOME', '/tmp/xdg')
    assert cache_dir() == Path('/tmp/xdg/mmfer')
    monkeypatch.delenv('XDG_CACHE_HOME')
    assert cache_dir() == Path.home() / '.cache/mmfer'


def test_an_array_is_made_once_and_anew_where_the_file_is_another(tmp_path, monkeypatch):
    monkeypatch.setenv('MMFER_CACHE', str(tmp_path))
    calls = []

    def make(array):
        calls.append(array.shape)
        array[:] = len(calls)

    for _ in range(2):
        array, problem = cached_array('a/b.npy', (2, 3), make)
        assert (array.tolist(), problem, calls) == ([[1] * 3] * 2, '', [(2, 3)])
    assert [path.name for path in (tmp_path / 'a').iterdir()] == ['b.npy']
    assert cached_array('a/b.npy', (3, 3), make)[0].tolist() == [[2] * 3] * 3
    np.save(tmp_path / 'a/b.npy', np.array([{}], dtype=object), allow_pickle=True)  # what would have to be unpickled
    assert cached_array('a/b.npy', (1,), make)[0].tolist() == [3]


def test_source_digest_follows_the_files(tmp_path):
    (tmp_path / 'a.py').write_text('x = 1\n')
    first = source_digest(tmp_path)
    assert source_digest(tmp_path) == first
    (tmp_path / 'a.py').write_text('x = 2\n')
    assert source_digest(tmp_path) != first


def test_processes_that_come_at_once_do_not_harm_each_other(tmp_path, monkeypatch):
    monkeypatch.setenv('MMFER_CACHE', str(tmp_path / 'cache'))
    fork = multiprocessing.get_context('fork')
    start = fork.Barrier(3)

    def work():
        start.wait()
        os._exit(int(cached_array('a/b.npy', (2, 3), lambda array: array.fill(7))[0].sum() != 42))

    processes = [fork.Process(target=work) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert [path.name for path in (tmp_path / 'cache/a').iterdir()] == ['b.npy']


def test_without_a_folder_the_array_stays_in_memory(tmp_path, monkeypatch):
    (tmp_path / 'file').touch()
    monkeypatch.setenv('MMFER_CACHE', str(tmp_path / 'file'))
    array, problem = cached_array('b.npy', (1,), lambda array: array.fill(3))
    assert array.tolist() == [3]
    assert 'could not be written' in problem
