import io
import os
import stat
import tarfile
import zipfile

import pytest
import raw_copies as raw

from mmfer.datasets.prepare.raw import check_folders, in_threads, new_folder, put_in_place, raw_files, write


@pytest.fixture
def found(tmp_path):
    """Path and content of the files in the folder ``raw``, or in a file of it."""

    def contents(name=''):
        files = raw_files(tmp_path / 'raw' / name, tmp_path / 'unpacked')
        return {file.path: file.file.read_bytes() for file in files}

    return contents


def tar_of(name, kind, link=''):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w') as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        archive.addfile(info)
    return buffer.getvalue()


def zip_with_link(target):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        info = zipfile.ZipInfo('a/link')
        info.create_system = 3
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, target)
    return buffer.getvalue()


def encrypted(data):
    """The zip with the flag of encryption in all headers."""
    data = bytearray(data)
    for signature, offset in ((b'PK\x03\x04', 6), (b'PK\x01\x02', 8)):
        data[data.find(signature) + offset] |= 1
    return bytes(data)


def test_files_and_archives_make_one_list(tmp_path, found):
    inner = raw.zipped({'deep/1.txt': b'one', 'third.zip': raw.zipped({'no.txt': b''})})
    files = {
        'z/2.txt': b'two',
        'x.tar.gz': raw.tarred({'inner.zip': inner, './3.txt': b'three', '__MACOSX/3.txt': b'x', '._3.txt': b'x'}),
        '.hidden/4.txt': b'',
        '__MACOSX/6.txt': b'',
    }
    raw.write_tree(files, tmp_path / 'raw')
    before = raw.snapshot(tmp_path / 'raw')
    contents = found()
    assert contents.pop('x.tar.gz/inner.zip/third.zip')  # of the third archive only the name
    assert contents == {'z/2.txt': b'two', 'x.tar.gz/3.txt': b'three', 'x.tar.gz/inner.zip/deep/1.txt': b'one'}
    listed = raw_files(tmp_path / 'raw', tmp_path / 'again')
    assert [file.unpacked for file in listed] == [False, True, True, True]  # what lies on the disk comes first
    assert {file.key for file in listed} > {'x/inner/deep/1.txt', 'x/3.txt'}
    assert raw.snapshot(tmp_path / 'raw') == before


@pytest.mark.parametrize(('ending', 'mode'), [('TAR', 'w'), ('tgz', 'w:gz'), ('tar.bz2', 'w:bz2'), ('tar.xz', 'w:xz')])
def test_kinds_of_tar_and_one_file_alone(tmp_path, found, ending, mode):
    raw.write_tree({f'x.{ending}': raw.tarred({'a/1.txt': b'one'}, mode), 'other.txt': b''}, tmp_path / 'raw')
    assert found() == {f'x.{ending}/a/1.txt': b'one', 'other.txt': b''}
    assert found(f'x.{ending}') == {f'x.{ending}/a/1.txt': b'one'}
    assert found('other.txt') == {'other.txt': b''}


def test_links_are_followed_but_not_in_circles(tmp_path, found):
    raw.write_tree({'elsewhere/1.txt': b'one', 'raw/2.txt': b'two'}, tmp_path)
    os.symlink(tmp_path / 'elsewhere', tmp_path / 'raw' / 'linked')
    os.symlink(tmp_path / 'raw', tmp_path / 'raw' / 'round')
    os.symlink(tmp_path / 'nothing', tmp_path / 'raw' / 'dangling.txt')
    assert found() == {'2.txt': b'two', 'linked/1.txt': b'one'}
    with pytest.raises(FileNotFoundError, match='RAW_DIR not found'):
        found('nothing')


# ---- archives that are not trusted -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    'content',
    [
        tar_of('../x.txt', tarfile.REGTYPE),
        tar_of('a/../../x.txt', tarfile.REGTYPE),
        tar_of('a/link', tarfile.SYMTYPE, '../../etc/passwd'),
        tar_of('a/link', tarfile.SYMTYPE, '/etc/passwd'),
        tar_of('a/link', tarfile.LNKTYPE, '../etc/passwd'),
        tar_of('a/link', tarfile.CHRTYPE),
    ],
)
def test_unsafe_tar_files_are_refused(tmp_path, found, content):
    raw.write_tree({'evil.tar': content}, tmp_path / 'raw')
    with pytest.raises(ValueError, match=r'evil\.tar cannot be unpacked'):
        found()
    assert not [*tmp_path.rglob('x.txt'), *tmp_path.rglob('link')]


def test_nothing_leaves_a_zip(tmp_path, found):
    evil = {'../x.txt': b'x', '/etc/x.txt': b'x', 'a/../../x.txt': b'x', '..\\x.txt': b'x', 'fine.txt': b'fine'}
    raw.write_tree({'evil.zip': raw.zipped(evil), 'link.zip': zip_with_link('/etc/passwd')}, tmp_path / 'raw')
    assert found() == {'evil.zip/fine.txt': b'fine', 'link.zip/a/link': b'/etc/passwd'}
    assert not list(tmp_path.rglob('x.txt'))


def test_an_encrypted_archive_in_an_archive(tmp_path, found):
    raw.write_tree({'x.zip': raw.zipped({'inner.zip': encrypted(raw.zipped({'a.txt': b'abc'}))})}, tmp_path / 'raw')
    with pytest.raises(ValueError, match=r'x\.zip/inner\.zip cannot be unpacked .*password.*extract it yourself'):
        found()


@pytest.mark.parametrize(('name', 'make'), [('x.zip', 'zipped'), ('x.tar.gz', 'tarred')])
def test_damaged_archive_is_named(tmp_path, found, name, make):
    whole = getattr(raw, make)({f'{i}.txt': bytes(range(256)) * 40 for i in range(20)})
    flipped = whole[:100] + bytes([whole[100] ^ 255]) + whole[101:]
    for piece in (b'', b'no archive at all', whole[: len(whole) // 2], flipped):
        raw.write_tree({name: piece}, tmp_path / 'raw')
        with pytest.raises(ValueError, match=rf'{name} cannot be unpacked.*damaged or incomplete, download it again'):
            found()


# ---- the folder that is written --------------------------------------------------------------------------------------
def fill(out, error=None):
    with new_folder(out) as folder:
        write(folder / 'a' / 'b.txt', b'abc')
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


def test_two_runs_do_not_meet(tmp_path):
    with new_folder(tmp_path / 'out') as folder:
        with pytest.raises(FileExistsError, match='another run prepares .*out, or one was killed'):
            fill(tmp_path / 'out')
        put_in_place(folder, tmp_path / 'out')
    assert (tmp_path / 'out').is_dir()


def test_check_folders(tmp_path):
    raw.write_tree({'raw/sub/a.txt': b'', 'file.txt': b'', 'beside.zip': b''}, tmp_path)
    os.symlink(tmp_path / 'raw', tmp_path / 'link')
    for out in ('raw', 'raw/new/er', 'link/new'):
        with pytest.raises(ValueError, match='lies in RAW_DIR'):
            check_folders(tmp_path / 'raw', tmp_path / out)
    with pytest.raises(NotADirectoryError, match='is a file'):
        check_folders(tmp_path / 'raw', tmp_path / 'file.txt')
    for out in ('.', 'raw/sub'):
        with pytest.raises(ValueError, match='OUT_DIR .* has files'):
            check_folders(tmp_path / 'beside.zip', tmp_path / out)
    check_folders(tmp_path / 'raw', tmp_path / 'rawer')
    check_folders(tmp_path / 'beside.zip', tmp_path / 'out')


@pytest.mark.parametrize('workers', [1, 3])
def test_threads_keep_the_order_and_end_with_the_first_error(workers):
    assert list(in_threads(lambda x: x * x, range(100), workers)) == [x * x for x in range(100)]
    with pytest.raises(ZeroDivisionError):
        list(in_threads(lambda x: 1 / x, [1, 0, 2], workers))
    with pytest.raises(ValueError, match='workers=0'):
        list(in_threads(abs, [], 0))
