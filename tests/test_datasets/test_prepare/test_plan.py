import pytest

from mmfer.datasets.jaffe import JAFFE
from mmfer.datasets.prepare.raw import RawData
from mmfer.datasets.prepare.recipes import Layout, Recipe, Rule
from mmfer.datasets.prepare.run import make_plan

RECIPE = Recipe(
    JAFFE,
    (
        Layout('with list', (Rule('a list', r'list\.txt', 'list.txt'), Rule('pictures', r'(pics/\w+\.png)'))),
        Layout('pictures alone', (Rule('pictures', r'(pics/\w+\.png)', r'img/\1'),)),
    ),
    skip=('Other',),
)


@pytest.fixture
def plan_of(tmp_path):
    def plan(**files):
        found = make_plan(RECIPE, RawData(tmp_path / 'raw', tmp_path / 'unpacked'))
        return found.layout.name, {target: source.path for target, source in found.files.items()}

    return plan


@pytest.fixture
def add(tmp_path, raw):
    return lambda files: raw.write_tree(files, tmp_path / 'raw')


def test_first_layout_that_fits(add, plan_of):
    add({'top/Pics/a.PNG': b'1', 'other/pics/b.png': b'2'})
    assert plan_of() == ('pictures alone', {'img/Pics/a.PNG': 'top/Pics/a.PNG'})
    add({'LIST.TXT': b'1'})
    assert plan_of() == ('with list', {'list.txt': 'LIST.TXT', 'Pics/a.PNG': 'top/Pics/a.PNG'})


def test_names_match_from_the_beginning_of_a_part(add, plan_of):
    add({'mylist.txt': b'', 'xpics/a.png': b'', 'pics/a.png.bak': b''})
    with pytest.raises(ValueError, match='has not the layout'):
        plan_of()


def test_mismatch_tells_expected_and_found(raw, add, plan_of):
    files = {f'{i:02d}/a.txt': b'' for i in range(12)}
    add({**files, 'big.7z.001': b'', 'x.zip': raw.zipped({'y.txt': b'', 'z.txt': b''})})
    with pytest.raises(ValueError, match='nothing was written') as error:
        plan_of()
    for text in (
        'with list: a list, pictures',
        'pictures alone: pictures',
        'KA.AN1.39.tiff',
        '00: 1 files, such as 00/a.txt',
        '(4 more)',
        '1 archives have to be extracted first (7z x FIRST_PART): big.7z.001',
        'https://',
    ):
        assert text in str(error.value)


def test_empty_folder(add, plan_of, tmp_path):
    (tmp_path / 'raw').mkdir()
    with pytest.raises(ValueError, match='Found: no files'):
        plan_of()


def test_of_equal_copies_the_one_on_disk_counts(raw, add, plan_of):
    add({'a.zip': raw.zipped({'pics/a.png': b'1'}), 'b/pics/a.png': b'1'})
    assert plan_of()[1] == {'img/pics/a.png': 'b/pics/a.png'}


def test_different_files_for_one_place(add, plan_of):
    add({f'{top}/pics/{i}.png': b'1' * (top == 'a') for top in 'ab' for i in range(11)})
    with pytest.raises(ValueError, match='11 files .* differ from others') as error:
        plan_of()
    assert 'a/pics/0.png, 1 bytes, and b/pics/0.png, 0 bytes' in str(error.value)
