import os

import pytest

from mmfer.datasets.prepare.raw import RawData, in_reading_order


def paths(data):
    return sorted(source.path for source in data.sources)


def test_files_and_archives_make_one_index(tmp_path, raw):
    inner = raw.zipped({'deep/1.txt': b'one', 'third.zip': raw.zipped({'no.txt': b''})})
    files = {
        'a/2.txt': b'two',
        'x.tar.gz': raw.tarred({'inner.zip': inner, '3.txt': b'three'}),
        '.hidden/4.txt': b'',
        '.5.txt': b'',
        '__MACOSX/6.txt': b'',
    }
    raw.write_tree(files, tmp_path)
    before = raw.snapshot(tmp_path)
    with RawData(tmp_path) as data:
        expected = ['a/2.txt', 'x.tar.gz/3.txt', 'x.tar.gz/inner.zip/deep/1.txt', 'x.tar.gz/inner.zip/third.zip']
        assert paths(data) == expected
        found = {source.key: source for source in data.sources}
        assert found['x/inner/deep/1.txt'].read() == b'one'
        assert found['a/2.txt'].read() == b'two'
        assert found['x/3.txt'].size == 5
        assert [source.path for source in data.archives] == ['x.tar.gz']
        assert {source.path for source in data.origin.values()} == {'x.tar.gz'}
    assert raw.snapshot(tmp_path) == before


def test_one_file_alone(tmp_path, raw):
    raw.write_tree({'x.zip': raw.zipped({'1.txt': b'one'}), 'other.txt': b''}, tmp_path)
    with RawData(tmp_path / 'x.zip') as data:
        assert paths(data) == ['x.zip/1.txt']
    with RawData(tmp_path / 'other.txt') as data:
        assert paths(data) == ['other.txt']


def test_links_are_followed_but_not_in_circles(tmp_path, raw):
    raw.write_tree({'elsewhere/1.txt': b'one', 'raw/2.txt': b'two'}, tmp_path)
    os.symlink(tmp_path / 'elsewhere', tmp_path / 'raw' / 'linked')
    os.symlink(tmp_path / 'raw', tmp_path / 'raw' / 'round')
    os.symlink(tmp_path / 'nothing', tmp_path / 'raw' / 'dangling.txt')
    with RawData(tmp_path / 'raw') as data:
        assert paths(data) == ['2.txt', 'linked/1.txt']
        assert str((tmp_path / 'elsewhere').resolve()) in data.folders


def test_reading_order_is_that_of_the_bytes(tmp_path, raw):
    names = [f'{(i * 7) % 10}.txt' for i in range(10)]
    for name in ('b.tar', 'a.zip'):
        make = raw.zipped if name.endswith('.zip') else raw.tarred
        raw.write_tree({name: make(dict.fromkeys(names, b'text'))}, tmp_path)
    raw.write_tree({'plain.txt': b''}, tmp_path)
    with RawData(tmp_path) as data:
        ordered = [source.path for source in in_reading_order(sorted(data.sources))]
        assert ordered[0] == 'plain.txt'
        assert ordered[1:11] == [f'a.zip/{name}' for name in names]
        assert ordered[11:] == [f'b.tar/{name}' for name in names]


def test_damaged_member_is_named(tmp_path, raw):
    data = bytearray(raw.zipped({'1.txt': b'one' * 50}))
    data[40] ^= 255
    raw.write_tree({'x.zip': bytes(data)}, tmp_path)
    with RawData(tmp_path) as found, pytest.raises(ValueError, match=r'x.zip: 1.txt is damaged'):
        found.sources[0].read()


def test_missing_and_damaged(tmp_path, raw):
    with pytest.raises(FileNotFoundError, match='RAW_DIR not found'):
        RawData(tmp_path / 'nothing')
    raw.write_tree({'good.zip': raw.zipped({'1.txt': b''}), 'x.zip': b'half'}, tmp_path)
    with pytest.raises(ValueError, match='x.zip is damaged'):
        RawData(tmp_path)


def test_encrypted_archive_in_an_archive_is_noted(tmp_path, raw):
    data = bytearray(raw.zipped({'inner.zip': raw.zipped({'1.txt': b''})}))
    data[6] |= 1
    data[data.rfind(b'PK\x01\x02') + 8] |= 1
    raw.write_tree({'x.zip': bytes(data)}, tmp_path)
    with RawData(tmp_path) as found:
        assert found.locked == ['x.zip/inner.zip']
        assert not found.sources
