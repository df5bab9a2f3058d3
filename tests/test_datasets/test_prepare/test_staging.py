import errno
import os
import threading

import pytest

from mmfer.datasets.prepare.staging import check_folders, in_threads, new_folder, put_in_place, write


def fill(out, error=None):
    with new_folder(out) as folder:
        write(folder / 'a' / 'b.txt', b'abc')
        assert not out.exists() or not list(out.iterdir())
        if error is not None:
            raise error
        put_in_place(folder, out)


@pytest.mark.parametrize('empty', [False, True])
def test_whole_or_not_at_all(tmp_path, empty):
    out = tmp_path / 'deep' / 'out'
    if empty:
        out.mkdir(parents=True)
    for error in (KeyboardInterrupt(), ValueError('x')):
        with pytest.raises(type(error)):
            fill(out, error)
        assert os.listdir(tmp_path / 'deep') == ['out'] * empty
    fill(out)
    assert os.listdir(tmp_path / 'deep') == ['out']
    assert (out / 'a' / 'b.txt').read_bytes() == b'abc'


def test_behind_a_link(tmp_path):
    (tmp_path / 'disk' / 'real').mkdir(parents=True)
    (tmp_path / 'link').symlink_to(tmp_path / 'disk' / 'real')
    fill(tmp_path / 'link')
    assert (tmp_path / 'disk' / 'real' / 'a' / 'b.txt').is_file()
    assert os.listdir(tmp_path / 'disk') == ['real']


def test_full_disk(tmp_path):
    with pytest.raises(OSError, match='the disk of .*out is full: free some space'):
        fill(tmp_path / 'out', OSError(errno.ENOSPC, 'No space left on device'))
    with pytest.raises(PermissionError, match='no'):
        fill(tmp_path / 'out', PermissionError(errno.EACCES, 'no'))
    assert os.listdir(tmp_path) == []


def test_two_runs_do_not_meet(tmp_path):
    with new_folder(tmp_path / 'out') as folder:
        with pytest.raises(FileExistsError, match='another run prepares .*out, or one was killed'):
            fill(tmp_path / 'out')
        put_in_place(folder, tmp_path / 'out')
    assert (tmp_path / 'out').is_dir()


def test_check_folders(tmp_path, raw):
    raw.write_tree({'raw/sub/a.txt': b'', 'file.txt': b'', 'beside.zip': b''}, tmp_path)
    os.symlink(tmp_path / 'raw', tmp_path / 'link')
    for out in ('raw', 'raw/sub', 'raw/new/er', 'link/new', 'raw/../raw'):
        with pytest.raises(ValueError, match='lies in RAW_DIR'):
            check_folders(tmp_path / 'raw', tmp_path / out)
    for out in ('.', '..'):
        with pytest.raises(ValueError, match='holds RAW_DIR'):
            check_folders(tmp_path / 'raw', tmp_path / out)
    with pytest.raises(NotADirectoryError, match='is a file'):
        check_folders(tmp_path / 'raw', tmp_path / 'file.txt')
    with pytest.raises(ValueError, match=r'OUT_DIR .*sub has files \(a\.txt\)'):
        check_folders(tmp_path / 'beside.zip', tmp_path / 'raw' / 'sub')
    for out in ('out', 'rawer'):
        check_folders(tmp_path / 'raw', tmp_path / out)
    check_folders(tmp_path / 'beside.zip', tmp_path / 'out')


@pytest.mark.parametrize('workers', [1, 3])
def test_threads_keep_the_order(workers):
    assert list(in_threads(lambda x: x * x, range(100), workers)) == [x * x for x in range(100)]


def test_items_are_made_only_a_few_ahead_in_the_calling_thread():
    made, threads = [], set()

    def items():
        for i in range(100):
            made.append(i)
            threads.add(threading.get_ident())
            yield i

    results = in_threads(lambda x: x, items(), 2)
    next(results)
    assert len(made) <= 8
    results.close()
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize('workers', [1, 2])
def test_errors_end_the_threads(workers):
    done = []

    def work(x):
        if x == 5:
            raise ValueError('five')
        done.append(x)
        return x

    with pytest.raises(ValueError, match='five'):
        list(in_threads(work, range(1000), workers))
    assert len(done) < 30
