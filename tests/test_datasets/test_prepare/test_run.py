import shutil

import pytest

from mmfer.datasets.prepare import prepare
from mmfer.datasets.prepare.output import Output


def quiet(*args, **options):
    said = []
    prepare(*map(str, args), say=said.append, **options)
    return '\n'.join(said)


@pytest.fixture
def archive(tmp_path, raw):
    folder = tmp_path / 'archive'
    return raw.write_tree({'basic.tar.gz': raw.tarred(raw.files['raf_db']())}, folder)


@pytest.fixture
def tree(tmp_path, raw):
    return raw.write_tree(raw.files['raf_db'](), tmp_path / 'tree')


def fail_after(monkeypatch, method, times):
    """Let a method of Output fail after a number of calls, as a full disk or Ctrl-C would; returns the calls."""
    calls = []
    original = getattr(Output, method)

    def limited(self, target, *args, **options):
        if len(calls) >= times and target != '.prepare.json':
            raise KeyboardInterrupt
        if target != '.prepare.json':
            calls.append(target)
        return original(self, target, *args, **options)

    monkeypatch.setattr(Output, method, limited)
    return calls


@pytest.mark.parametrize(
    ('form', 'method'),
    [
        ('raf_db', 'write'),
        ('fer2013-folders', 'write'),
        ('ferplus-csv', 'write'),
        ('affectnet-2017', 'write'),
        ('affectnet-2021', 'write'),
        ('raf_db', 'link'),
        ('ckplus', 'link'),
        ('raf_db', 'bring'),
    ],
)
@pytest.mark.parametrize('times', [1, 5])
def test_an_interrupted_run_goes_on(tmp_path, raw, monkeypatch, form, method, times):
    name = form.split('-')[0]
    files = raw.files[form]()
    if method == 'link':  # other images in the folders: they cannot be linked whole
        files.update({f'{path.rsplit("/", 1)[0]}/no.jpg': b'' for path in files if '/' in path})
    options = dict(copy=method == 'bring', workers=1)
    source = tmp_path / 'raw'
    content = files if method != 'write' else {'all.zip': raw.zipped(files)}
    raw.write_tree(content, source)
    before = raw.snapshot(source)
    quiet(name, source, tmp_path / 'whole', **options)
    with monkeypatch.context() as patch:
        done = fail_after(patch, method, times)
        with pytest.raises(KeyboardInterrupt):
            quiet(name, source, tmp_path / 'out', **options)
    assert len(done) == times
    assert not (tmp_path / 'out' / '.prepare_parts').exists()
    finished = {path: (tmp_path / 'out' / path).lstat() for path in done}
    with monkeypatch.context() as patch:
        again = fail_after(patch, method, 10_000)
        text = quiet(name, source, tmp_path / 'out', **options)
    assert not set(done) & set(again) - {'train.json', 'val.json'}
    assert 'finished before' in text
    assert {path: (tmp_path / 'out' / path).lstat().st_ino for path in done} == {
        path: stat.st_ino for path, stat in finished.items()
    }
    assert raw.contents(tmp_path / 'out') == raw.contents(tmp_path / 'whole')
    with monkeypatch.context() as patch:
        third = fail_after(patch, method, 10_000)
        quiet(name, source, tmp_path / 'out', **options)
    assert set(third) <= {'train.json', 'val.json'}
    assert raw.snapshot(source) == before


def test_cut_and_changed_files_are_written_again(tmp_path, raw, archive):
    out = tmp_path / 'out'
    quiet('raf_db', archive, out)
    whole = raw.contents(out)
    damaged = sorted((out / 'Image' / 'aligned').iterdir())[:3]
    damaged[0].write_bytes(b'')
    damaged[1].write_bytes(damaged[1].read_bytes()[:-1])
    damaged[2].unlink()
    assert '12 of them finished before, 3 to write' in quiet('raf_db', archive, out)
    assert raw.contents(out) == whole


def test_dry_run_writes_nothing(tmp_path, raw, archive, tree):
    before = raw.snapshot(tmp_path)
    assert '15 to write' in quiet('raf_db', archive, tmp_path / 'out', dry_run=True)
    text = quiet('raf_db', tree, tmp_path / 'out', dry_run=True)
    assert '2 links to make' in text
    assert 'dry run' in text
    assert raw.snapshot(tmp_path) == before


def test_links_first_then_copies_then_links(tmp_path, raw, tree):
    out = tmp_path / 'out'
    before = raw.snapshot(tree)
    quiet('raf_db', tree, out)
    assert (out / 'Image').is_symlink()
    files = raw.contents(out)
    quiet('raf_db', tree, out, copy=True)
    assert not any(path.is_symlink() for path in out.rglob('*'))
    assert raw.contents(out) == files
    assert '15 files, 15 of them finished before' in quiet('raf_db', tree, out)
    assert not (out / 'Image').is_symlink()
    assert raw.snapshot(tree) == before


def test_full_disk_is_seen_before_anything_is_written(tmp_path, monkeypatch, archive, tree):
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 5000, 5000))
    for source, options in ((archive, {}), (tree, dict(copy=True))):
        with pytest.raises(OSError, match=r'too small: about 61\.4 kB are needed, 5\.0 kB are free'):
            quiet('raf_db', source, tmp_path / 'out', **options)
        assert not (tmp_path / 'out').exists()
    quiet('raf_db', tree, tmp_path / 'out')  # links need no space


@pytest.mark.parametrize('form', ['affectnet-2017', 'ferplus-csv'])
def test_full_disk_counts_what_is_made(tmp_path, monkeypatch, raw, form):
    source = raw.write_tree(raw.files[form](), tmp_path / 'raw')
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 5000, 5000))
    with pytest.raises(OSError, match='too small'):
        quiet(form.split('-')[0], source, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_encrypted_zip(tmp_path, raw):
    data = bytearray(raw.zipped(raw.files['jaffe']()))
    place = data.find(b'PK\x01\x02')
    while place >= 0:
        data[place + 8] |= 1
        place = data.find(b'PK\x01\x02', place + 4)
    raw.write_tree({'jaffe.zip': bytes(data)}, tmp_path / 'raw')
    with pytest.raises(ValueError, match='7 files in jaffe.zip are encrypted') as error:
        quiet('jaffe', tmp_path / 'raw', tmp_path / 'out')
    assert 'extract the archive with its password first' in str(error.value)
    assert not (tmp_path / 'out').exists()


def test_encrypted_zip_within_a_zip(tmp_path, raw):
    data = bytearray(raw.zipped({'inner.zip': raw.zipped({'a.txt': b''})}))
    data[data.rfind(b'PK\x01\x02') + 8] |= 1
    raw.write_tree({'jaffe.zip': bytes(data)}, tmp_path / 'raw')
    with pytest.raises(ValueError, match=r'Encrypted archives within archives: jaffe\.zip/inner\.zip'):
        quiet('jaffe', tmp_path / 'raw', tmp_path / 'out')


def test_unsafe_archive_beside_a_good_one(tmp_path, raw, archive):
    raw.write_tree({'evil.zip': raw.zipped({'../evil.txt': b'x'})}, archive)
    with pytest.raises(ValueError, match=r'evil\.zip is refused.*\.\./evil\.txt'):
        quiet('raf_db', archive, tmp_path / 'out')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['archive']


def test_wrong_layout(tmp_path, raw):
    tree = raw.write_tree(raw.files['fer2013-folders'](), tmp_path / 'raw')
    for name in ('raf_db', 'affectnet', 'ferplus', 'expw', 'kdef', 'ckplus', 'jaffe', 'sfew'):
        with pytest.raises(ValueError, match='has not the layout') as error:
            quiet(name, tree, tmp_path / 'out')
        assert 'fer2013: 14 files, such as fer2013/test/Angry/0000.jpg' in str(error.value)
    assert not (tmp_path / 'out').exists()


def test_folder_of_another_data_set(tmp_path, raw, tree):
    out = tmp_path / 'out'
    quiet('raf_db', tree, out)
    jaffe = raw.write_tree(raw.files['jaffe'](), tmp_path / 'raw')
    with pytest.raises(ValueError, match='prepared from something else.*dataset: raf_db then, jaffe now'):
        quiet('jaffe', jaffe, out)


def test_changed_archive(tmp_path, raw, archive):
    out = tmp_path / 'out'
    quiet('raf_db', archive, out)
    files = {**raw.files['raf_db'](), 'basic/new.txt': b''}
    raw.write_tree({'basic.tar.gz': raw.tarred(files)}, archive)
    with pytest.raises(ValueError, match=r'changed raw files: basic\.tar\.gz'):
        quiet('raf_db', archive, out)


def test_out_dir_behind_a_link_of_raw_dir(tmp_path, raw, tree):
    (tmp_path / 'elsewhere').mkdir()
    (tree / 'linked').symlink_to(tmp_path / 'elsewhere')
    with pytest.raises(ValueError, match='links to'):
        quiet('raf_db', tree, tmp_path / 'elsewhere' / 'out')


def test_missing_images_are_told_after_writing(tmp_path, raw, tree):
    (tree / 'basic' / 'Image' / 'aligned' / 'train_00003_aligned.jpg').unlink()
    with pytest.raises(FileNotFoundError, match='1 image files that do not exist.*train_00003_aligned'):
        quiet('raf_db', tree, tmp_path / 'out')
    (tree / 'basic' / 'Image' / 'aligned' / 'train_00003_aligned.jpg').write_bytes(raw.picture(1))
    assert 'Read it with' in quiet('raf_db', tree, tmp_path / 'out')


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (dict(workers=0), 'workers=0'),
        (dict(margin=0.1), 'margin cannot be set for RAFDB'),
        (dict(max_size=64, margin=0.0), 'max_size, margin cannot be set'),
    ],
)
def test_wrong_options(tmp_path, tree, options, text):
    with pytest.raises(ValueError, match=text):
        quiet('raf_db', tree, tmp_path / 'out', **options)
    assert not (tmp_path / 'out').exists()


def test_unknown_data_set(tmp_path):
    with pytest.raises(ValueError, match='known are raf_db'):
        quiet('fer', tmp_path, tmp_path / 'out')


def test_report(tmp_path, raw, tree):
    text = quiet('raf_db', tree, tmp_path / 'out')
    assert 'RAFDB from' in text
    row = next(line for line in text.splitlines() if line.split()[:1] == ['surprise'])
    assert row.split()[1:] == ['1', '1290', '1', '329']
    assert 'Counts differ from the published ones: train, test.' in text
    assert f"RAFDB(data_root='{tmp_path / 'out'}', split='train')" in text
