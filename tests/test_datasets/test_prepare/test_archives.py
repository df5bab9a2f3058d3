import io
import stat
import tarfile
import zipfile

import pytest

from mmfer.datasets.prepare.archives import FOREIGN, SUFFIX, Archive, name_problem


def read_all(archive):
    with_order = sorted(archive.members, key=archive.position)
    return {member.name: archive.open(member).read() for member in with_order}


def tar_of(*entries):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w') as archive:
        for name, kind, link in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.linkname = link
            if kind == tarfile.REGTYPE:
                info.size = 3
                archive.addfile(info, io.BytesIO(b'abc'))
            else:
                archive.addfile(info)
    return io.BytesIO(buffer.getvalue())


def zip_with_link(name, target):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr('a/file.txt', b'abc')
        info = zipfile.ZipInfo(name)
        info.create_system = 3
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, target)
    return io.BytesIO(buffer.getvalue())


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
    return io.BytesIO(bytes(data))


@pytest.mark.parametrize('name', ['a.zip', 'a.ZIP', 'a.tar', 'a.tar.gz', 'a.tgz', 'a.tar.bz2', 'a.tar.xz'])
def test_known_endings(name):
    assert SUFFIX.sub('', name) == 'a'
    assert not FOREIGN.search(name)


@pytest.mark.parametrize('name', ['a.7z', 'a.7z.001', 'a.rar', 'a.part1.rar', 'a.z01', 'a.zip.001'])
def test_endings_for_other_programs(name):
    assert FOREIGN.search(name)
    assert not SUFFIX.search(name)


@pytest.mark.parametrize(('ending', 'mode'), [('tar', 'w'), ('tgz', 'w:gz'), ('tar.bz2', 'w:bz2'), ('tar.xz', 'w:xz')])
def test_tar(raw, ending, mode):
    files = {'./a/1.txt': b'one', 'a/2.txt': b'', 'a/.DS_Store': b'x', '__MACOSX/a/1.txt': b'x', 'a/._1.txt': b'x'}
    archive = Archive(f'x.{ending}', io.BytesIO(raw.tarred(files, mode)))
    assert read_all(archive) == {'a/1.txt': b'one', 'a/2.txt': b''}
    archive.close()


def test_zip_with_windows_paths_and_folders(raw):
    archive = Archive('x.zip', io.BytesIO(raw.zipped({'a/': b'', 'a\\b\\1.txt': b'one', '__MACOSX/a/1.txt': b'x'})))
    assert read_all(archive) == {'a/b/1.txt': b'one'}


@pytest.mark.parametrize(
    ('name', 'problem'),
    [('/etc/x', 'absolute'), ('C:/x', 'absolute'), ('../x', "'..'"), ('a/../../x', "'..'"), ('a/b.txt', '')],
)
def test_name_problem(name, problem):
    assert name_problem(name).startswith(problem)
    assert bool(name_problem(name)) is bool(problem)


@pytest.mark.parametrize('make', ['zipped', 'tarred'])
def test_all_unsafe_names_are_told(raw, make):
    files = {f'../{i}.txt': b'x' for i in range(12)}
    data = io.BytesIO(getattr(raw, make)({**files, '/etc/passwd': b'x', 'fine.txt': b'x'}))
    with pytest.raises(ValueError, match='13 of its members are unsafe') as error:
        Archive('evil.zip' if make == 'zipped' else 'evil.tgz', data)
    assert "'../0.txt'" in str(error.value)
    assert '3 more' in str(error.value)
    assert data.closed


def test_backslashes_hide_nothing(raw):
    with pytest.raises(ValueError, match='unsafe'):
        Archive('evil.zip', io.BytesIO(raw.zipped({'..\\x.txt': b'x'})))


@pytest.mark.parametrize(
    ('kind', 'link', 'problem'),
    [
        (tarfile.SYMTYPE, '../../etc/passwd', 'leaves the folder'),
        (tarfile.SYMTYPE, '/etc/passwd', 'absolute path'),
        (tarfile.LNKTYPE, '../etc/passwd', 'leaves the folder'),
        (tarfile.LNKTYPE, '/etc/passwd', 'absolute path'),
        (tarfile.SYMTYPE, 'link', 'circle'),
        (tarfile.CHRTYPE, '', 'device'),
        (tarfile.FIFOTYPE, '', 'device or pipe'),
    ],
)
def test_links_and_devices_in_tar(kind, link, problem):
    with pytest.raises(ValueError, match='1 of its members are unsafe') as error:
        Archive('evil.tar', tar_of(('a/file.txt', tarfile.REGTYPE, ''), ('a/link', kind, link)))
    assert problem in str(error.value)


def test_chain_of_links_that_leaves():
    entries = (('a/one', tarfile.SYMTYPE, 'b/two'), ('a/b/two', tarfile.SYMTYPE, '../../../x'))
    with pytest.raises(ValueError, match='2 of its members are unsafe'):
        Archive('evil.tar', tar_of(*entries))


def test_links_within_the_archive_are_followed():
    entries = (
        ('a/file.txt', tarfile.REGTYPE, ''),
        ('b/soft.txt', tarfile.SYMTYPE, '../a/file.txt'),
        ('b/hard.txt', tarfile.LNKTYPE, 'a/file.txt'),
        ('b/chain.txt', tarfile.SYMTYPE, 'soft.txt'),
        ('b/folder', tarfile.SYMTYPE, '../a'),
        ('b/nowhere', tarfile.SYMTYPE, 'nothing'),
    )
    found = read_all(Archive('x.tar', tar_of(*entries)))
    assert found == dict.fromkeys(('a/file.txt', 'b/soft.txt', 'b/hard.txt', 'b/chain.txt'), b'abc')


def test_links_in_zip():
    assert read_all(Archive('x.zip', zip_with_link('b/link.txt', '../a/file.txt')))['b/link.txt'] == b'abc'
    with pytest.raises(ValueError, match='leaves the folder'):
        Archive('x.zip', zip_with_link('link.txt', '../../secret'))


@pytest.mark.parametrize(
    ('change', 'text', 'cure'), [(dict(flag=1), 'encrypted', 'password'), (dict(method=9), 'number 9', '7z')]
)
def test_members_that_cannot_be_unpacked(raw, change, text, cure):
    archive = Archive('x.zip', patched(raw.zipped({'a.txt': b'abc' * 10}), **change))
    assert text in archive.members[0].obstacle
    with pytest.raises(ValueError, match=text) as error:
        archive.open(archive.members[0])
    assert cure in str(error.value)


@pytest.mark.parametrize(('name', 'make'), [('x.zip', 'zipped'), ('x.tar.gz', 'tarred')])
def test_damaged_archive_is_named(raw, name, make):
    data = getattr(raw, make)({f'{i}.txt': bytes(range(256)) * 40 for i in range(20)})
    for piece in (b'', b'no archive at all', data[: len(data) // 2]):
        with pytest.raises(ValueError, match=rf'{name} is damaged or incomplete.*download it again'):
            Archive(name, io.BytesIO(piece))


def test_errors_of_the_disk_pass(raw):
    class Broken(io.BytesIO):
        def read(self, *args):
            raise OSError(5, 'Input/output error')

    with pytest.raises(OSError, match='Input/output'):
        Archive('x.tar', Broken())
