import json

import cv2
import numpy as np
import pytest

from mmfer.datasets.affect_net import AffectNet
from mmfer.registry import DATASETS

HEADER = 'subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal'
LISTS = dict(train='training.csv', val='validation.csv')
TREE = 'Manually_Annotated/Manually_Annotated_Images'


def row(label, name=None, box='2,3,10,12', affect='0.5,-0.25'):
    return f'{name or f"{label % 3}/{label:03d}.jpg"},{box},1;2;3,{label},{affect}'


def csv_tree(root, rows=None, split='train', header=HEADER, folder='', skip=()):
    rows = [row(label) for label in range(11)] if rows is None else rows
    (root / folder).mkdir(parents=True, exist_ok=True)
    (root / folder / LISTS[split]).write_text('\n'.join([header, *rows] if header else rows) + '\n')
    for line in rows:
        name = line.split(',')[0]
        if name not in skip:
            path = root / TREE / name
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.full((20, 20, 3), 90, np.uint8))
    return str(root)


def npy_tree(root, labels=range(11), part='train_set', kind=str, skip=()):
    for folder in ('images', 'annotations'):
        (root / part / folder).mkdir(parents=True, exist_ok=True)
    for i, label in enumerate(labels):
        if i not in skip:
            cv2.imwrite(str(root / part / 'images' / f'{i}.jpg'), np.full((8, 8, 3), 90, np.uint8))
        for name, value in dict(exp=label, val=0.5, aro=-0.25).items():
            np.save(root / part / 'annotations' / f'{i}_{name}.npy', kind(value))
        np.save(root / part / 'annotations' / f'{i}_lnd.npy', np.zeros(136))
    return str(root)


# ---- csv file ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize('folder', ['', 'Manually_Annotated_file_lists'])
def test_csv_layout(tmp_path, folder):
    root = csv_tree(tmp_path, folder=folder)
    seven = DATASETS.build(dict(type='AffectNet', data_root=root))
    eight = AffectNet(root, num_classes=8)
    assert seven.layout == 'csv2017'
    assert seven.classes == ('neutral', 'happiness', 'sadness', 'surprise', 'fear', 'disgust', 'anger')
    assert eight.classes[7] == 'contempt'
    assert seven.get_gt_labels().tolist() == list(range(7))
    assert eight.get_gt_labels().tolist() == list(range(8))
    assert seven.unused.counts == {'contempt': 1, 'none': 1, 'uncertain': 1, 'non-face': 1}
    assert eight.unused.counts == {'none': 1, 'uncertain': 1, 'non-face': 1}
    assert (seven.protocol, eight.protocol) == ('AffectNet train, 7 classes', 'AffectNet train, 8 classes')
    info = seven[1]
    assert info['face_box'] == (2, 3, 12, 15)
    assert (info['valence'], info['arousal']) == (0.5, -0.25)
    assert info['img_path'].endswith(f'{TREE}/1/001.jpg')


def test_published_counts(tmp_path):
    csv_tree(tmp_path / 'old')
    npy_tree(tmp_path / 'new')
    old = dict(data_root=str(tmp_path / 'old'), lazy_init=True)
    assert sum(AffectNet(num_classes=8, **old).published_counts()) == 287651
    assert sum(AffectNet(**old).published_counts()) == 283901
    assert AffectNet(split='val', num_classes=8, **old).published_counts() == (500,) * 8
    (tmp_path / 'new' / 'val_set').mkdir()
    new = AffectNet(str(tmp_path / 'new'), split='val', num_classes=8, lazy_init=True)
    assert new.published_counts() == (500,) * 7 + (499,)


def test_csv_without_header(tmp_path):
    root = csv_tree(tmp_path, split='val', header='')
    dataset = AffectNet(root, split='val', num_classes=8)
    assert dataset.get_gt_labels().tolist() == list(range(8))
    assert dataset[0]['face_box'] == (2, 3, 12, 15)
    csv_tree(tmp_path, [line.rpartition(',')[0] for line in [row(i) for i in range(8)]], split='val', header='')
    with pytest.raises(ValueError, match='has no column subDirectory_filePath, expression'):
        AffectNet(root, split='val')


def test_rows_that_are_left_out_need_no_face(tmp_path):
    rows = [row(label) for label in range(7)] + [row(10, box='NULL,NULL,NULL,NULL', affect='-2,-2')]
    assert len(AffectNet(csv_tree(tmp_path, rows))) == 7


def test_all_bad_rows_are_reported(tmp_path):
    rows = [row(label) for label in range(7)]
    rows += [row(11), row(-1), '0/a.jpg,1,2,3,4,1;2,x,0,0', row(1, '0/b.jpg', box='1,2,0,4')]
    rows += [row(2, '0/c.jpg', affect='0.1,high'), '0/d.jpg,1,2']
    root = csv_tree(tmp_path, rows, skip=('0/000.jpg', '1/004.jpg'))
    with pytest.raises(FileNotFoundError) as error:
        AffectNet(root)
    text = str(error.value)
    assert "3 labels that are not in 0..10: row 9 '11', row 10 '-1', row 11 'x'" in text
    assert "2 rows with malformed numbers: row 12 (face of 0 x 4 pixels), row 13 (arousal 'high')" in text
    assert '1 rows with missing or extra cells: row 14 (3 cells)' in text
    assert '2 image files that do not exist' in text
    assert '0/000.jpg' in text


# ---- npy files --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize('kind', [str, float, lambda value: np.array([value]), lambda value: np.array(str(value))])
def test_npy_layout(tmp_path, kind):
    root = npy_tree(tmp_path, part='val_set', kind=kind)
    dataset = AffectNet(root, split='val', num_classes=8)
    assert dataset.layout == 'npy2021'
    assert dataset.get_gt_labels().tolist() == list(range(8))
    assert dataset.unused.counts == {'none': 1, 'uncertain': 1, 'non-face': 1}
    assert (dataset[2]['valence'], dataset[2]['arousal']) == (0.5, -0.25)
    assert dataset[2]['img_path'].endswith('val_set/images/2.jpg')
    assert 'face_box' not in dataset[2]
    assert len(AffectNet(root, split='val')) == 7


def test_npy_order_and_other_image_formats(tmp_path):
    root = npy_tree(tmp_path, labels=[i % 7 for i in range(12)])
    (tmp_path / 'train_set/images/10.jpg').rename(tmp_path / 'train_set/images/10.png')
    names = [info['img_path'].rpartition('/')[2] for info in AffectNet(root)]
    assert names == [*(f'{i}.jpg' for i in range(10)), '10.png', '11.jpg']


def test_bad_npy_files_are_reported(tmp_path):
    root = npy_tree(tmp_path, labels=[*range(7), 11, -1, 2.5], skip=(3,))
    folder = tmp_path / 'train_set' / 'annotations'
    (folder / '0_exp.npy').write_bytes(b'')
    np.save(folder / '1_exp.npy', np.array([{}], dtype=object), allow_pickle=True)
    np.save(folder / '2_exp.npy', 'happy')
    np.save(folder / '4_val.npy', np.zeros(3))
    with pytest.raises(FileNotFoundError) as error:
        AffectNet(root)
    text = str(error.value)
    assert '3 labels that are not in 0..10: 7_exp.npy (11), 8_exp.npy (-1), 9_exp.npy (2.5)' in text
    assert '4 annotation files that hold no number: 0_exp.npy (' in text
    for name in ('1_exp.npy', '2_exp.npy', '4_val.npy'):
        assert name in text
    assert '1 image files that do not exist' in text
    assert 'images/3.jpg' in text


def test_npy_without_annotations_or_images(tmp_path):
    root = npy_tree(tmp_path)
    (tmp_path / 'train_set' / 'images').rename(tmp_path / 'train_set' / 'imgs')
    with pytest.raises(FileNotFoundError, match='folder of the images not found'):
        AffectNet(root)
    assert len(AffectNet(root, validate=False)) == 7
    (tmp_path / 'train_set' / 'annotations').rename(tmp_path / 'train_set' / 'labels')
    with pytest.raises(FileNotFoundError, match='folder of the annotations not found'):
        AffectNet(root)


# ---- prepared lists ---------------------------------------------------------------------------------------------
def test_prepared_csv(tmp_path):
    root = npy_tree(tmp_path)
    rows = [f'{i}.jpg,{i}' for i in range(11)]
    (tmp_path / 'annotations.csv').write_text('\n'.join(['subDirectory_filePath,expression', *rows]))
    dataset = AffectNet(root, ann_file='annotations.csv')
    assert dataset.get_gt_labels().tolist() == list(range(7))
    assert dataset[3]['img_path'].endswith('train_set/images/3.jpg')
    assert 'valence' not in dataset[3]
    (tmp_path / 'annotations.csv').write_text('subDirectory_filePath,expression,face_x\n0.jpg,0,1\n')
    with pytest.raises(ValueError, match='has no column face_y, face_width, face_height'):
        AffectNet(root, ann_file='annotations.csv')


def test_prepared_json(tmp_path):
    root = npy_tree(tmp_path)
    entries = [dict(img_path=f'{i}.jpg', gt_label=i, valence=0.5) for i in range(11)]
    (tmp_path / 'train.json').write_text(json.dumps(dict(metainfo={}, data_list=entries)))
    assert 'arousal' not in AffectNet(root)[0]  # the list is found, and read instead of the .npy files
    assert 'arousal' in AffectNet(root, layout='npy2021')[0]
    dataset = AffectNet(root, ann_file='train.json')
    assert dataset.get_gt_labels().tolist() == list(range(7))
    assert dataset.unused.counts['contempt'] == 1
    assert dataset[3]['img_path'].endswith('train_set/images/3.jpg')
    entries[0]['gt_label'] = 11
    (tmp_path / 'train.json').write_text(json.dumps(dict(metainfo={}, data_list=entries)))
    with pytest.raises(ValueError, match='gt_label 11 is not in'):
        AffectNet(root, ann_file='train.json')


def test_prepared_json_beside_images_of_2017(tmp_path):
    (tmp_path / 'Manually_Annotated_Images' / '1').mkdir(parents=True)
    (tmp_path / 'Manually_Annotated_Images' / '1' / 'a.jpg').touch()
    entries = [dict(img_path='1/a.jpg', gt_label=label) for label in range(7)]
    (tmp_path / 'val.json').write_text(json.dumps(dict(metainfo={}, data_list=entries)))
    dataset = AffectNet(str(tmp_path), split='val')
    assert dataset[0]['img_path'] == str(tmp_path / 'Manually_Annotated_Images' / '1' / 'a.jpg')


# ---- arguments --------------------------------------------------------------------------------------------------
def test_missing_sources(tmp_path):
    for options, first in (
        (dict(data_root=str(tmp_path / 'absent')), str(tmp_path / 'absent')),
        (dict(data_root=str(tmp_path)), 'training.csv or the folder train_set'),
        (dict(data_root=str(tmp_path), layout='csv2017'), 'training.csv'),
        (dict(data_root=str(tmp_path), layout='npy2021'), 'train_set/annotations'),
        (dict(data_root=str(tmp_path), ann_file='other.csv'), 'other.csv'),
    ):
        with pytest.raises(FileNotFoundError) as error:
            AffectNet(**options)
        assert first in str(error.value).splitlines()[0]
        assert '0_exp.npy' in str(error.value)
        assert 'mohammadmahoor.com' in str(error.value)


def test_layout_must_be_said_where_both_are_there(tmp_path):
    root = npy_tree(tmp_path)
    csv_tree(tmp_path, [row(i) for i in range(7)])
    with pytest.raises(ValueError, match="set layout='csv2017' or layout='npy2021'"):
        AffectNet(root)
    assert 'face_box' in AffectNet(root, layout='csv2017')[0]
    assert 'face_box' not in AffectNet(root, layout='npy2021')[0]


@pytest.mark.parametrize(
    ('options', 'match'),
    [
        (dict(num_classes=6), 'num_classes=6'),
        (dict(layout='2017'), "layout='2017'"),
        (dict(split='test'), "split='test' is not one of train, val"),
        (dict(ann_file='list.txt'), r"ann_file='list\.txt'"),
    ],
)
def test_wrong_options(tmp_path, options, match):
    with pytest.raises(ValueError, match=match):
        AffectNet(csv_tree(tmp_path), **options)
