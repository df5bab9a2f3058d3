from pathlib import Path

import numpy as np

from mmfer.utils.cache import cache_dir, cached_array, source_digest


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
