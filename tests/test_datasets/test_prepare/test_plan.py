import pytest

from mmfer.datasets.jaffe import JAFFE
from mmfer.datasets.prepare.plan import Layout, Recipe, Rule, folder_links, make_plan
from mmfer.datasets.prepare.raw import RawData

RECIPE = Recipe(
    JAFFE,
    (
        Layout('with list', (Rule('a list', r'list\.txt', 'list.txt'), Rule('pictures', r'(pics/\w+\.png)', r'\1'))),
        Layout('pictures alone', (Rule('pictures', r'(pics/\w+\.png)', r'img/\1'),)),
    ),
    skip=('Other',),
)


def plan_of(root, recipe=RECIPE):
    with RawData(root) as data:
        plan = make_plan(recipe, data)
        return plan, {target: source.path for target, source in plan.files.items()}, folder_links(plan, data)


def test_first_layout_that_fits(tmp_path, raw):
    raw.write_tree({'top/Pics/a.PNG': b'1', 'other/pics/b.png': b'2'}, tmp_path)
    plan, files, _ = plan_of(tmp_path)
    assert plan.layout.name == 'pictures alone'
    assert files == {'img/Pics/a.PNG': 'top/Pics/a.PNG'}
    raw.write_tree({'LIST.TXT': b'1'}, tmp_path)
    assert plan_of(tmp_path)[1] == {'list.txt': 'LIST.TXT', 'Pics/a.PNG': 'top/Pics/a.PNG'}


def test_names_match_from_the_beginning_of_a_part(tmp_path, raw):
    raw.write_tree({'mylist.txt': b'', 'xpics/a.png': b'', 'pics/a.png.bak': b''}, tmp_path)
    with pytest.raises(ValueError, match='has not the layout'):
        plan_of(tmp_path)


def test_mismatch_tells_expected_and_found(tmp_path, raw):
    files = {f'{i:02d}/a.txt': b'' for i in range(12)}
    raw.write_tree({**files, 'big.7z.001': b'', 'x.zip': raw.zipped({'y.txt': b'', 'z.txt': b''})}, tmp_path)
    with pytest.raises(ValueError, match='nothing was written') as error:
        plan_of(tmp_path)
    text = str(error.value)
    assert 'with list: a list, pictures' in text
    assert 'pictures alone: pictures' in text
    assert 'KA.AN1.39.tiff' in text
    assert '00: 1 files, such as 00/a.txt' in text
    assert '(4 more)' in text
    assert 'big.7z.001' in text
    assert 'https://' in text


def test_empty_folder(tmp_path):
    with pytest.raises(ValueError, match='Found: no files'):
        plan_of(tmp_path)


def test_of_equal_copies_the_one_on_disk_counts(tmp_path, raw):
    raw.write_tree({'a.zip': raw.zipped({'pics/a.png': b'1'}), 'b/pics/a.png': b'1'}, tmp_path)
    assert plan_of(tmp_path)[1] == {'img/pics/a.png': 'b/pics/a.png'}


def test_different_files_for_one_place(tmp_path, raw):
    raw.write_tree({f'{top}/pics/{i}.png': b'1' * (top == 'a') for top in 'ab' for i in range(11)}, tmp_path)
    with pytest.raises(ValueError, match='11 files .* differ from others') as error:
        plan_of(tmp_path)
    assert 'a/pics/0.png, 1 bytes, and b/pics/0.png, 0 bytes' in str(error.value)


def test_whole_folders_are_linked(tmp_path, raw):
    raw.write_tree({'list.txt': b'', 'top/pics/a.png': b'1', 'top/pics/readme.txt': b'', 'top/x.png': b''}, tmp_path)
    assert plan_of(tmp_path)[2] == {'pics': tmp_path / 'top' / 'pics'}


@pytest.mark.parametrize('extra', ['top/pics/no-word.png', 'second/pics/b.png', 'z.zip'])
def test_folders_that_hold_more_or_less_are_not(tmp_path, raw, extra):
    content = raw.zipped({'pics/c.png': b'2'}) if extra == 'z.zip' else b'2'
    raw.write_tree({'list.txt': b'', 'top/pics/a.png': b'1', extra: content}, tmp_path)
    _, files, links = plan_of(tmp_path)
    assert 'pics/a.png' in files
    assert links == {}


def test_the_topmost_folder_is_linked(tmp_path, raw):
    rules = (Rule('pictures', r'(a/b/\w+/\w+\.png)', r'\1'),)
    raw.write_tree({'raw/a/b/c/1.png': b'', 'raw/a/b/d/2.png': b''}, tmp_path)
    assert plan_of(tmp_path, Recipe(JAFFE, (Layout('x', rules),)))[2] == {'a': tmp_path / 'raw' / 'a'}
