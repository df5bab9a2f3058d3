import ast
import json

import cv2
import pytest
import raw_copies as raw

from mmfer.datasets.affect_net import AffectNet
from mmfer.datasets.prepare import RECIPES, prepare

SIZES = {
    'raf_db': (7, 7),
    'raf_compound': (11, 11),
    'affectnet-2017': (8, 8, 7, 7),
    'affectnet-2021': (8, 8, 7, 7),
    'fer2013-csv': (8, 8, 8),
    'fer2013-icml': (8, 8, 8),
    'fer2013-folders': (7, 7),
    'ferplus-csv': (8, 8, 8),
    'ferplus-icml': (8, 8, 8),
    'ferplus-png': (8, 8, 8),
    'sfew-aligned': (7, 7, 7, 7),
    'sfew-frames': (7, 7),
    'caers': (7, 7),
    'expw': (7,),
    'kdef': (14, 42),
    'ckplus': (28,),
    'jaffe': (7,),
}


def read_back(text, name):
    """Builds the data sets that the report says to build."""
    cls = RECIPES[name][0].dataset
    calls = [ast.parse(line.strip()).body[0].value for line in text.split('Read it with\n')[1].splitlines()]
    return [cls(**{word.arg: ast.literal_eval(word.value) for word in call.keywords}) for call in calls]


def run(name, raw_dir, out, **options):
    said = []
    prepare(name, str(raw_dir), str(out), say=said.append, **options)
    return '\n'.join(said)


def test_every_recipe_is_tried():
    assert set(raw.RAW) == set(SIZES)
    assert {form.split('-')[0] for form in SIZES} == set(RECIPES)


@pytest.mark.parametrize('form', SIZES)
def test_tree_is_linked_and_archives_give_the_same(tmp_path, form):
    name = form.split('-')[0]
    files = raw.RAW[form]()
    tree = raw.write_tree(files, tmp_path / 'tree')
    archives = tmp_path / 'archives'
    archives.mkdir()
    (archives / 'all.tar.gz').write_bytes(raw.tarred(files))
    before = raw.snapshot(tree), raw.snapshot(archives)
    text = run(name, tree, tmp_path / 'linked')
    assert tuple(map(len, read_back(text, name))) == SIZES[form]
    text = run(name, archives, tmp_path / 'unpacked')
    assert tuple(map(len, read_back(text, name))) == SIZES[form]
    text = run(name, tree, tmp_path / 'copied', copy=True)
    assert tuple(map(len, read_back(text, name))) == SIZES[form]
    unpacked = raw.contents(tmp_path / 'unpacked')
    assert unpacked == raw.contents(tmp_path / 'copied')
    assert unpacked == raw.contents(tmp_path / 'linked')
    assert not any(path.is_symlink() for out in ('unpacked', 'copied') for path in (tmp_path / out).rglob('*'))
    assert before == (raw.snapshot(tree), raw.snapshot(archives))


def test_raf_db_as_its_authors_hand_it_out(tmp_path):
    """Zips within the tree, in a zip, beside the compound part and what systems leave behind."""
    source = tmp_path / 'raw'
    basic, compound = raw.RAW['raf_db'](), raw.RAW['raf_compound']()
    aligned = {path.split('Image/')[1]: data for path, data in basic.items() if 'Image' in path}
    wrapped = {
        'basic/EmoLabel/list_patition_label.txt': basic['basic/EmoLabel/list_patition_label.txt'],
        'basic/Image/aligned.zip': raw.zipped({**aligned, '__MACOSX/aligned/._train_00001_aligned.jpg': b'x'}),
        'basic/Image/original.zip': raw.zipped({'original/train_00001.jpg': raw.picture(1)}),
        'basic/Annotation/manual.zip': raw.zipped({'manual/train_00001_manu_attri.txt': b'1\n' * 8}),
        '__MACOSX/basic/EmoLabel/._list_patition_label.txt': b'x',
        'basic/.DS_Store': b'x',
    }
    raw.write_tree({'RAF.zip': raw.zipped(wrapped), **compound}, source)
    assert tuple(map(len, read_back(run('raf_db', source, tmp_path / 'a'), 'raf_db'))) == (7, 7)
    assert sorted(path.name for path in (tmp_path / 'a').iterdir()) == ['Annotation', 'EmoLabel', 'Image']
    assert (tmp_path / 'a' / 'Annotation' / 'manual' / 'train_00001_manu_attri.txt').is_file()
    assert len(list((tmp_path / 'a' / 'Image' / 'aligned').iterdir())) == 14
    text = run('raf_compound', source, tmp_path / 'b')
    assert tuple(map(len, read_back(text, 'raf_compound'))) == (11, 11)
    assert all(path.is_symlink() for path in (tmp_path / 'b' / 'Image' / 'aligned').iterdir())


def test_zip_in_tar_and_archives_side_by_side(tmp_path):
    source = tmp_path / 'raw'
    files = raw.RAW['ckplus']()
    images = raw.zipped({path: data for path, data in files.items() if path.endswith('.png')})
    labels = raw.zipped({path: data for path, data in files.items() if path.startswith('Emotion')})
    raw.write_tree({'ck.tar': raw.tarred({'extended-cohn-kanade-images.zip': images}, 'w')}, source)
    raw.write_tree({'Emotion_labels.zip': labels}, source)
    assert 'Counts differ' in run('ckplus', source, tmp_path / 'out')
    assert len(list((tmp_path / 'out').rglob('*.png'))) == 42


def test_folders_of_fer2013_with_a_validation_part(tmp_path):
    files = {**raw.RAW['fer2013-folders'](), 'fer2013/PublicTest/happy/1.jpg': raw.picture(1)}
    with pytest.raises(ValueError, match='no samples of'):
        run('fer2013', raw.write_tree(files, tmp_path / 'raw'), tmp_path / 'out')


def test_expw_in_parts_of_7z_says_to_extract(tmp_path):
    files = {f'image/origin.7z.{i:03d}': b'7z' for i in range(1, 14)}
    tree = raw.write_tree({'label/label.lst': b'a.jpg 0 1 2 3 4 9 0', **files}, tmp_path / 'raw')
    with pytest.raises(ValueError, match='extracted first') as error:
        run('expw', tree, tmp_path / 'out')
    assert '13 archives' in str(error.value)
    assert 'origin.7z.001' in str(error.value)
    assert not (tmp_path / 'out').exists()


def test_kdef_leaves_the_averaged_faces_out(tmp_path):
    tree = raw.write_tree(raw.RAW['kdef'](), tmp_path / 'raw')
    run('kdef', tree, tmp_path / 'out')
    assert (tmp_path / 'out/KDEF/AF01/AF01AFS.JPG').resolve() == tree / 'KDEF_and_AKDEF/KDEF/AF01/AF01AFS.JPG'
    assert not list((tmp_path / 'out').rglob('AFAFS.JPG'))


def test_affectnet_lists_serve_seven_and_eight_classes(tmp_path):
    for form in ('affectnet-2017', 'affectnet-2021'):
        out = tmp_path / f'{form} out'
        run('affectnet', raw.write_tree(raw.RAW[form](), tmp_path / form), out)
        content = json.loads((out / 'val.json').read_text())
        assert len(content['metainfo']['classes']) == 8
        assert content['data_list'][3]['valence'] == 0.5
        assert content['data_list'][3]['arousal'] == -0.25
        seven = AffectNet(str(out), split='val', ann_file='val.json')
        eight = AffectNet(str(out), split='val', ann_file='val.json', num_classes=8)
        assert (seven.num_classes, len(seven), len(eight)) == (7, 7, 8)
        assert cv2.imread(eight[7]['img_path']) is not None
