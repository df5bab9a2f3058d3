import pytest
import raw_copies as raw

from mmfer.datasets.jaffe import JAFFE
from mmfer.datasets.prepare import prepare, run
from mmfer.datasets.prepare.raw import raw_files
from mmfer.datasets.prepare.recipes import Layout, Rule


def quiet(*args, **options):
    said = []
    prepare(*map(str, args), say=said.append, **options)
    return '\n'.join(said)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def tree(tmp_path):
    return raw.write_tree(raw.RAW['raf_db'](), tmp_path / 'tree')


# ---- which layout ----------------------------------------------------------------------------------------------------
@pytest.fixture
def plan_of(tmp_path):
    """Adds files to RAW_DIR, and gives the source of each file of the plan."""
    layouts = (
        Layout(JAFFE, (Rule('a list', r'list\.txt', 'list.txt'), Rule('pictures', r'(pics/\w+\.png)'))),
        Layout(JAFFE, (Rule('pictures', r'(pics/\w+\.png)', r'img/\1'),), skip=('Other',)),
    )

    def plan(files):
        root = raw.write_tree(files, tmp_path / 'raw')
        found = run.make_plan(layouts, raw_files(root, tmp_path / 'unpacked'), root)
        return {target: source.path for target, source in found.files.items()}

    return plan


def test_first_layout_that_fits(plan_of):
    assert plan_of({'top/Pics/a.PNG': b'1', 'other/pics/b.png': b'2'}) == {'img/Pics/a.PNG': 'top/Pics/a.PNG'}
    assert plan_of({'LIST.TXT': b'1', 'other/pics/b.png': b'2'}) == {
        'list.txt': 'LIST.TXT',
        'Pics/a.PNG': 'top/Pics/a.PNG',
        'pics/b.png': 'other/pics/b.png',
    }


def test_mismatch_tells_expected_and_found(plan_of):
    files = {f'{i:02d}/a.txt': b'' for i in range(12)}
    part_of_names = {'mylist.txt': b'', 'xpics/a.png': b'', 'pics/a.png.bak': b''}
    with pytest.raises(ValueError, match='nothing was written') as error:
        plan_of({**files, **part_of_names, 'big.7z.001': b'', 'x.zip': raw.zipped({'y.txt': b'', 'z.txt': b''})})
    for text in (
        'a list, pictures\n  or\n  pictures\n',
        'KA.AN1.39.tiff',
        '00 (1 files, such as 00/a.txt)',
        '1 archives have to be extracted first (7z x FIRST_PART): big.7z.001',
        'https://',
    ):
        assert text in str(error.value)


def test_files_for_one_place(plan_of):
    equal = {'a.zip': raw.zipped({'pics/a.png': b'1'}), 'b/pics/a.png': b'1'}
    assert plan_of(equal) == {'img/pics/a.png': 'b/pics/a.png'}  # the one on disk
    with pytest.raises(ValueError, match=r'1 files .* differ from others .*: img/pics/a\.png \(b/pics/a\.png and c/'):
        plan_of({'c/pics/a.png': b'longer'})


# ---- the whole run ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ('form', 'place'), [('raf_db', 'make_plan'), ('ferplus-csv', 'count'), ('affectnet-2017', 'put_in_place')]
)
def test_an_interrupted_run_leaves_nothing_and_the_next_begins_anew(tmp_path, monkeypatch, form, place):
    name, source = form.split('-')[0], tmp_path / 'raw'
    raw.write_tree({'all.zip': raw.zipped(raw.RAW[form]())}, source)
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


def test_dry_run_leaves_nothing(tmp_path, tree):
    raw.write_tree({'basic.tar.gz': raw.tarred(raw.RAW['raf_db']())}, tmp_path / 'archive')
    before = raw.snapshot(tmp_path)
    assert '0 links to make, 15 files to write' in quiet('raf_db', tmp_path / 'archive', tmp_path / 'o', dry_run=True)
    text = quiet('raf_db', tree, tmp_path / 'out', dry_run=True)
    assert '15 links to make, 0 files to write' in text
    assert 'dry run' in text
    assert raw.snapshot(tmp_path) == before


def test_missing_images_are_told_under_the_names_they_would_have(tmp_path, tree):
    (tree / 'basic' / 'Image' / 'aligned' / 'train_00003_aligned.jpg').unlink()
    with pytest.raises(ValueError, match='1 image files that do not exist.*out/Image/aligned/train_00003_aligned'):
        quiet('raf_db', tree, tmp_path / 'out')
    assert names(tmp_path) == ['tree']


def test_wrong_arguments(tmp_path, tree):
    with pytest.raises(ValueError, match='max_size, margin cannot be set for RAFDB'):
        quiet('raf_db', tree, tmp_path / 'out', max_size=64, margin=0.0)
    with pytest.raises(ValueError, match='known are raf_db'):
        quiet('fer', tmp_path, tmp_path / 'out')
    assert names(tmp_path) == ['tree']


def test_report(tmp_path, tree):
    text = quiet('raf_db', tree, tmp_path / 'out')
    assert 'RAFDB from' in text
    row = next(line for line in text.splitlines() if line.split()[:1] == ['surprise'])
    assert row.split()[1:] == ['1', '1290', '1', '329']
    assert 'Counts differ from the published ones: train, test.' in text
    assert f"RAFDB(data_root='{tmp_path / 'out'}', split='train')" in text
