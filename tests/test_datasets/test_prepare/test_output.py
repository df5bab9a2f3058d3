import os
import shutil

import pytest

from mmfer.datasets.prepare.output import Output, check_folders, free_space, human, size_on_disk
from mmfer.datasets.prepare.raw import Source


def source_of(path, content=b'abc'):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return Source(path.name, len(content), path)


def visible(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob('*') if not path.name.startswith('.'))


def test_write_is_whole_or_not_at_all(tmp_path):
    def chunks():
        yield b'half'
        raise OSError(28, 'No space left on device')

    with Output(tmp_path / 'out', {}) as output:
        output.write('a/b.txt', [b'one', b'two'])
        with pytest.raises(OSError, match='the disk of .* is full'):
            output.write('a/c.txt', chunks())
        with pytest.raises(OSError, match='the disk of .* is full'):
            output.write('a/b.txt', chunks())
    assert visible(tmp_path / 'out') == ['a', 'a/b.txt']
    assert (tmp_path / 'out' / 'a' / 'b.txt').read_bytes() == b'onetwo'
    assert sorted(os.listdir(tmp_path / 'out')) == ['.prepare.json', 'a']


def test_nothing_is_left_of_a_run_that_wrote_nothing(tmp_path):
    for there in (False, True):
        out = tmp_path / 'out'
        if there:
            out.mkdir()
        with pytest.raises(ValueError, match='early'), Output(out, {}):
            raise ValueError('early')
        assert out.exists() is there


def test_bring_and_has_copy(tmp_path):
    source = source_of(tmp_path / 'raw' / 'x.txt')
    os.utime(source.file, (1000, 1000))
    with Output(tmp_path / 'out', {}) as output:
        assert not output.has_copy('x.txt', source)
        output.bring('x.txt', source)
        assert output.has_copy('x.txt', source)
        assert (tmp_path / 'out' / 'x.txt').stat().st_mtime == 1000
        os.utime(source.file, (2000, 2000))
        assert not output.has_copy('x.txt', source)
        source.file.write_bytes(b'longer')
        with pytest.raises(ValueError, match='6 bytes instead of 3'):
            output.bring('x.txt', source)
        assert (tmp_path / 'out' / 'x.txt').read_bytes() == b'abc'
        assert output.unpacked(source) == source.file


def test_links(tmp_path):
    source = source_of(tmp_path / 'raw' / 'a' / 'x.txt')
    with Output(tmp_path / 'out', {}) as output:
        output.link('a', source.file.parent)
        output.link('b/x.txt', source.file)
        assert output.has_link('a', source.file.parent)
        assert output.has_link('b/x.txt', source.file)
        assert not output.has_link('b/x.txt', tmp_path)
        assert not output.has_copy('b/x.txt', source)
        assert not output.has_copy('a/x.txt', source)  # it is the raw file itself
        output.link('a', tmp_path / 'other')
        assert os.readlink(tmp_path / 'out' / 'a') == str(tmp_path / 'other')


def test_never_writes_through_a_link(tmp_path):
    source = source_of(tmp_path / 'raw' / 'a' / 'x.txt')
    with Output(tmp_path / 'out', {}) as output:
        output.link('a', source.file.parent)
    with Output(tmp_path / 'out', {}) as output:
        assert not output.has_image('a/x.txt')
        output.write('a/x.txt', [b'new'])
        output.write('a/y.txt', [b'new'])
        output.link('z.txt', source.file)
        output.write('z.txt', [b'new'])
    assert source.file.read_bytes() == b'abc'
    assert os.listdir(source.file.parent) == ['x.txt']
    assert visible(tmp_path / 'out') == ['a', 'a/x.txt', 'a/y.txt', 'z.txt']


def test_file_systems_without_links(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(1, 'Operation not permitted')

    monkeypatch.setattr(os, 'symlink', refuse)
    with Output(tmp_path / 'out', {}) as output, pytest.raises(OSError, match='add --copy'):
        output.link('a', tmp_path)


@pytest.mark.parametrize('ending', ['.jpg', '.png'])
def test_images_are_finished_when_they_have_their_end(tmp_path, raw, ending):
    data = raw.picture(3, ending)
    with Output(tmp_path / 'out', {}) as output:
        for name, content in dict(good=data, cut=data[:-2], empty=b'', zeros=bytes(len(data))).items():
            output.write(f'{name}{ending}', [content])
            assert output.has_image(f'{name}{ending}') is (name == 'good')
        assert not output.has_image(f'absent{ending}')


def test_continues_only_what_it_began(tmp_path):
    out = tmp_path / 'out'
    made_from = dict(dataset='a', options=dict(margin=0.0), files={'x.zip': [1, 2]})
    with Output(out, made_from) as output:
        output.write('a.txt', [b''])
    Output(out, made_from).check()
    Output(out, {**made_from, 'files': {'x.zip': [1, 2], 'y.zip': [3, 4]}}).check()
    for key, value, text in (
        ('dataset', 'b', 'dataset: a then, b now'),
        ('options', dict(margin=0.5), 'margin'),
        ('files', {'x.zip': [1, 3]}, 'changed raw files: x.zip'),
    ):
        with pytest.raises(ValueError, match='was prepared from something else') as error:
            Output(out, {**made_from, key: value}).check()
        assert text in str(error.value)
    (out / '.prepare.json').write_text('half')
    with pytest.raises(ValueError, match='was prepared from something else'):
        Output(out, made_from).check()


def test_other_files_are_not_touched(tmp_path):
    Output(tmp_path, {}).check()
    (tmp_path / '.gitkeep').write_text('')
    Output(tmp_path, {}).check()
    (tmp_path / 'mine.txt').write_text('precious')
    with pytest.raises(ValueError, match=r'not prepared by this tool: mine\.txt'):
        Output(tmp_path, {}).check()


def test_what_a_killed_run_left_is_cleared(tmp_path):
    parts = tmp_path / 'out' / '.prepare_parts' / 'unpacked0'
    parts.mkdir(parents=True)
    (parts / 'half.csv').write_text('x')
    with Output(tmp_path / 'out', {}) as output:
        assert not os.listdir(tmp_path / 'out' / '.prepare_parts')
        output.write('a.txt', [b''])
    assert sorted(os.listdir(tmp_path / 'out')) == ['.prepare.json', 'a.txt']


def test_two_runs_do_not_meet(tmp_path):
    pytest.importorskip('fcntl')
    with Output(tmp_path, {}) as output:
        with pytest.raises(ValueError, match='another run'):
            Output(tmp_path, {}).__enter__()
        output.write('a.txt', [b''])
    with Output(tmp_path, {}):
        pass


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
    check_folders(tmp_path / 'raw', tmp_path / 'out')
    check_folders(tmp_path / 'raw', tmp_path / 'rawer')
    check_folders(tmp_path / 'beside.zip', tmp_path / 'out')


def test_space(tmp_path, monkeypatch):
    asked = []

    def usage(path):
        asked.append(path)
        return shutil._ntuple_diskusage(10, 4, 6)

    monkeypatch.setattr(shutil, 'disk_usage', usage)
    assert free_space(tmp_path / 'not' / 'yet') == 6
    assert asked == [tmp_path]
    assert [size_on_disk(size) for size in (0, 1, 4096, 4097)] == [0, 4096, 4096, 8192]
    texts = [human(size) for size in (0, 999, 1500, 2.5e6, 3e9, 4.2e12, 5e15)]
    assert texts == ['0 bytes', '999 bytes', '1.5 kB', '2.5 MB', '3.0 GB', '4.2 TB', '5000.0 TB']
