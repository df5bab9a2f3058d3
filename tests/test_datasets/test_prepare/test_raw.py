import io
import os
import stat
import tarfile
import zipfile

import pytest

from mmfer.datasets.prepare.raw import ARCHIVE, FOREIGN, RawData


@pytest.fixture
def data(tmp_path):
    """Reads RAW_DIR, by default the folder ``raw``."""
    return lambda root=tmp_path / 'raw': RawData(root, tmp_path / 'unpacked')


def contents(data):
    return {file.path: file.file.read_bytes() for file in data.files}


def tar_of(*entries):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w') as archive:
        for name, kind, link in entries:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, 3 * (kind == tarfile.REGTYPE)
            archive.addfile(info, io.BytesIO(b'abc'))
    return buffer.getvalue()


def zip_with_link(target):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        info = zipfile.ZipInfo('a/link')
        info.create_system = 3
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, target)
    return buffer.getvalue()


def patched(data, flag=0, method=None):
    """The zip with a flag or method set in the headers of all members."""
    data = bytearray(data)
    for signature, offset in ((b'PK\x03\x04', 6), (b'PK\x01\x02', 8)):
        place = data.find(signature)
        while place >= 0:
            data[place + offset] |= flag
            if method is not None:
                data[place + offset + 2] = method
            place = data.find(signature, place + 4)
    return bytes(data)


@pytest.mark.parametrize('name', ['a.zip', 'a.ZIP', 'a.tar', 'a.tar.gz', 'a.tgz', 'a.tar.bz2', 'a.tar.xz'])
def test_known_endings(name):
    assert ARCHIVE.sub('', name) == 'a'
    assert not FOREIGN.search(name)


@pytest.mark.parametrize('name', ['a.7z', 'a.7z.001', 'a.rar', 'a.part1.rar', 'a.z01', 'a.zip.001'])
def test_endings_for_other_programs(name):
    assert FOREIGN.search(name)
    assert not ARCHIVE.search(name)


def test_files_and_archives_make_one_list(tmp_path, raw, data):
    inner = raw.zipped({'deep/1.txt': b'one', 'third.zip': raw.zipped({'no.txt': b''})})
    files = {
        'z/2.txt': b'two',
        'x.tar.gz': raw.tarred({'inner.zip': inner, './3.txt': b'three', '__MACOSX/3.txt': b'x', '._3.txt': b'x'}),
        '.hidden/4.txt': b'',
        '.5.txt': b'',
        '__MACOSX/6.txt': b'',
    }
    raw.write_tree(files, tmp_path / 'raw')
    before = raw.snapshot(tmp_path / 'raw')
    found = data()
    assert [file.path for file in found.files][0] == 'z/2.txt'  # what lies on the disk comes first
    assert {path: text for path, text in contents(found).items() if path.endswith('.txt')} == {
        'z/2.txt': b'two',
        'x.tar.gz/3.txt': b'three',
        'x.tar.gz/inner.zip/deep/1.txt': b'one',
    }
    assert len(found.files) == 4  # of the third archive only the name
    assert {file.key for file in found.files} > {'x/inner/deep/1.txt', 'x/3.txt'}
    assert [file.unpacked for file in found.files] == [False, True, True, True]
    assert raw.snapshot(tmp_path / 'raw') == before


@pytest.mark.parametrize(('ending', 'mode'), [('tar', 'w'), ('tgz', 'w:gz'), ('tar.bz2', 'w:bz2'), ('tar.xz', 'w:xz')])
def test_kinds_of_tar(tmp_path, raw, data, ending, mode):
    raw.write_tree({f'x.{ending}': raw.tarred({'a/1.txt': b'one'}, mode)}, tmp_path / 'raw')
    assert contents(data()) == {f'x.{ending}/a/1.txt': b'one'}


def test_zip_with_windows_paths_and_folders(tmp_path, raw, data):
    raw.write_tree({'x.zip': raw.zipped({'a/': b'', 'a\\b\\1.txt': b'one', 'a\\c\\': b''})}, tmp_path / 'raw')
    assert contents(data()) == {'x.zip/a/b/1.txt': b'one'}


def test_one_file_alone(tmp_path, raw, data):
    raw.write_tree({'x.zip': raw.zipped({'1.txt': b'one'}), 'other.txt': b''}, tmp_path / 'raw')
    assert contents(data(tmp_path / 'raw' / 'x.zip')) == {'x.zip/1.txt': b'one'}
    assert contents(data(tmp_path / 'raw' / 'other.txt')) == {'other.txt': b''}


def test_links_are_followed_but_not_in_circles(tmp_path, raw, data):
    raw.write_tree({'elsewhere/1.txt': b'one', 'raw/2.txt': b'two'}, tmp_path)
    os.symlink(tmp_path / 'elsewhere', tmp_path / 'raw' / 'linked')
    os.symlink(tmp_path / 'raw', tmp_path / 'raw' / 'round')
    os.symlink(tmp_path / 'nothing', tmp_path / 'raw' / 'dangling.txt')
    found = data()
    assert contents(found) == {'2.txt': b'two', 'linked/1.txt': b'one'}
    assert str((tmp_path / 'elsewhere').resolve()) in found.folders


def test_missing(tmp_path, data):
    with pytest.raises(FileNotFoundError, match='RAW_DIR not found'):
        data(tmp_path / 'nothing')


# ---- archives that are not trusted -----------------------------------------------------------------------------------
@pytest.mark.parametrize('make', ['zipped', 'tarred'])
def test_all_unsafe_names_are_told(tmp_path, raw, data, make):
    files = {**{f'../{i}.txt': b'x' for i in range(12)}, '/etc/x': b'x', 'a/../../x': b'', 'C:/x': b'', 'fine.txt': b''}
    raw.write_tree({'evil.zip' if make == 'zipped' else 'evil.tgz': getattr(raw, make)(files)}, tmp_path / 'raw')
    with pytest.raises(ValueError, match=r'evil\.\w+ is refused: 15 of its members .*\.\./0\.txt.*5 more'):
        data()
    assert not [path for path in tmp_path.rglob('*') if path.is_file() and path.parent.name != 'raw']


@pytest.mark.parametrize(
    'content',
    [
        tar_of(('a/link', tarfile.SYMTYPE, '../../etc/passwd')),
        tar_of(('a/link', tarfile.SYMTYPE, '/etc/passwd')),
        tar_of(('a/link', tarfile.LNKTYPE, '../etc/passwd')),
        tar_of(('a/file.txt', tarfile.REGTYPE, ''), ('a/link', tarfile.SYMTYPE, 'file.txt')),
        tar_of(('a/link', tarfile.CHRTYPE, '')),
        tar_of(('a/link', tarfile.FIFOTYPE, '')),
        zip_with_link('../../secret'),
        zip_with_link('file.txt'),
    ],
)
def test_links_and_devices(tmp_path, raw, data, content):
    name = 'evil.zip' if content.startswith(b'PK') else 'evil.tar'
    raw.write_tree({name: content}, tmp_path / 'raw')
    with pytest.raises(ValueError, match='1 of its members are links or devices, or lead out of it: .*a/link'):
        data()
    assert not list(tmp_path.rglob('link'))


def test_backslashes_hide_nothing(tmp_path, raw, data):
    raw.write_tree({'evil.zip': raw.zipped({'..\\x.txt': b'x'})}, tmp_path / 'raw')
    with pytest.raises(ValueError, match='is refused'):
        data()


@pytest.mark.parametrize('change', [dict(flag=1), dict(method=9)])
def test_members_that_cannot_be_unpacked(tmp_path, raw, data, change):
    content = patched(raw.zipped({'a.txt': b'abc' * 10}), **change)
    raw.write_tree({'x.zip': raw.zipped({'inner.zip': content})}, tmp_path / 'raw')
    with pytest.raises(ValueError, match=r'x\.zip/inner\.zip cannot be unpacked by Python .*extract it first'):
        data()


@pytest.mark.parametrize(('name', 'make'), [('x.zip', 'zipped'), ('x.tar.gz', 'tarred')])
def test_damaged_archive_is_named(tmp_path, raw, data, name, make):
    whole = getattr(raw, make)({f'{i}.txt': bytes(range(256)) * 40 for i in range(20)})
    flipped = whole[:100] + bytes([whole[100] ^ 255]) + whole[101:]
    for piece in (b'', b'no archive at all', whole[: len(whole) // 2], flipped):
        raw.write_tree({name: piece}, tmp_path / 'raw')
        with pytest.raises(ValueError, match=rf'{name} is damaged or incomplete.*download it again'):
            data()


def test_errors_of_the_disk_pass(tmp_path, raw, data, monkeypatch):
    def broken(*args, **options):
        raise OSError(5, 'Input/output error')

    monkeypatch.setattr(tarfile, 'open', broken)
    raw.write_tree({'x.tar': b''}, tmp_path / 'raw')
    with pytest.raises(OSError, match='Input/output'):
        data()
