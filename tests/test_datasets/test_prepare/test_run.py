import pytest

from mmfer.datasets.prepare import prepare, run


def quiet(*args, **options):
    said = []
    prepare(*map(str, args), say=said.append, **options)
    return '\n'.join(said)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def archive(tmp_path, raw):
    return raw.write_tree({'basic.tar.gz': raw.tarred(raw.files['raf_db']())}, tmp_path / 'archive')


@pytest.fixture
def tree(tmp_path, raw):
    return raw.write_tree(raw.files['raf_db'](), tmp_path / 'tree')


@pytest.mark.parametrize('form', ['raf_db', 'ferplus-csv', 'affectnet-2017', 'affectnet-2021'])
@pytest.mark.parametrize('place', ['make_plan', 'count', 'put_in_place'])
def test_an_interrupted_run_leaves_nothing_and_the_next_begins_anew(tmp_path, raw, monkeypatch, form, place):
    name, source = form.split('-')[0], tmp_path / 'raw'
    raw.write_tree({'all.zip': raw.zipped(raw.files[form]())}, source)
    before = raw.snapshot(source)

    def stop(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run, place, stop)
        with pytest.raises(KeyboardInterrupt):
            quiet(name, source, tmp_path / 'out')
    assert names(tmp_path) == ['raw']
    assert 'Read it with' in quiet(name, source, tmp_path / 'out')
    assert raw.snapshot(source) == before
    with pytest.raises(ValueError, match=r'OUT_DIR .*out has files'):
        quiet(name, source, tmp_path / 'out')


def test_dry_run_leaves_nothing(tmp_path, raw, archive, tree):
    before = raw.snapshot(tmp_path)
    assert '0 links to make, 15 files to write' in quiet('raf_db', archive, tmp_path / 'out', dry_run=True)
    text = quiet('raf_db', tree, tmp_path / 'out', dry_run=True)
    assert '15 links to make, 0 files to write' in text
    assert 'dry run' in text
    assert raw.snapshot(tmp_path) == before


def test_unsafe_archive_beside_a_good_one(tmp_path, raw, archive):
    raw.write_tree({'evil.zip': raw.zipped({'../evil.txt': b'x'})}, archive)
    with pytest.raises(ValueError, match=r'evil\.zip is refused.*\.\./evil\.txt'):
        quiet('raf_db', archive, tmp_path / 'out')
    assert names(tmp_path) == ['archive']


def test_wrong_layout(tmp_path, raw):
    tree = raw.write_tree(raw.files['fer2013-folders'](), tmp_path / 'raw')
    for name in ('raf_db', 'affectnet', 'ferplus', 'expw', 'kdef', 'ckplus', 'jaffe', 'sfew'):
        with pytest.raises(ValueError, match='has not the layout') as error:
            quiet(name, tree, tmp_path / 'out')
        assert 'fer2013: 14 files, such as fer2013/test/Angry/0000.jpg' in str(error.value)
    assert names(tmp_path) == ['raw']


def test_out_dir_behind_a_link_of_raw_dir(tmp_path, raw, tree):
    (tmp_path / 'elsewhere').mkdir()
    (tree / 'linked').symlink_to(tmp_path / 'elsewhere')
    with pytest.raises(ValueError, match='links to'):
        quiet('raf_db', tree, tmp_path / 'elsewhere' / 'out')
    assert names(tmp_path / 'elsewhere') == []


def test_missing_images_are_told_under_the_names_they_would_have(tmp_path, raw, tree):
    missing = tree / 'basic' / 'Image' / 'aligned' / 'train_00003_aligned.jpg'
    missing.unlink()
    with pytest.raises(ValueError, match='1 image files that do not exist.*out/Image/aligned/train_00003_aligned'):
        quiet('raf_db', tree, tmp_path / 'out')
    assert names(tmp_path) == ['tree']
    missing.write_bytes(raw.picture(1))
    assert 'Read it with' in quiet('raf_db', tree, tmp_path / 'out')


@pytest.mark.parametrize('options', [dict(margin=0.1), dict(max_size=64, margin=0.0)])
def test_options_of_another_data_set(tmp_path, tree, options):
    with pytest.raises(ValueError, match=f'{", ".join(options)} cannot be set for RAFDB'):
        quiet('raf_db', tree, tmp_path / 'out', **options)
    assert names(tmp_path) == ['tree']


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
