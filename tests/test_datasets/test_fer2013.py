from pathlib import Path

import cv2
import numpy as np
import pytest

from mmfer.datasets import FER2013, LoadImageFromFile

FOLDERS = ('angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral')
IMAGES = np.random.RandomState(0).randint(0, 256, (9, 48, 48), dtype=np.uint8)
USAGES = ['Training'] * 7 + ['PublicTest', 'PrivateTest']


def text(img):
    return ' '.join(map(str, np.ravel(img)))


def write_csv(path, rows=None):
    if rows is None:
        rows = [f'{i % 7},{text(img)},{usage}' for i, (img, usage) in enumerate(zip(IMAGES, USAGES))]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(['emotion,pixels,Usage', *rows]) + '\n')
    return str(path)


def make_folders(root, split):
    for folder in FOLDERS:
        (root / split / folder).mkdir(parents=True)
        for i in range(2):
            cv2.imwrite(str(root / split / folder / f'{i:05d}.jpg'), np.full((48, 48), 100, np.uint8))
    return str(root)


def test_csv(tmp_path):
    path = write_csv(tmp_path / 'fer2013.csv')
    train = FER2013(str(tmp_path))
    assert train.classes == ('anger', 'disgust', 'fear', 'happiness', 'sadness', 'surprise', 'neutral')
    assert train.get_gt_labels().tolist() == list(range(7))
    for i, info in enumerate(train):
        np.testing.assert_array_equal(info['img'], IMAGES[i])
        assert info['img_path'] == f'{path}#row={i + 2}'
    assert LoadImageFromFile()(train[3])['img'].shape == (48, 48, 3)
    val = FER2013(path, split='val', allow_empty_classes=True)
    test = FER2013(ann_file=path, split='test', allow_empty_classes=True)
    assert (len(val), len(test)) == (1, 1)
    np.testing.assert_array_equal(val[0]['img'], IMAGES[7])
    np.testing.assert_array_equal(test[0]['img'], IMAGES[8])


@pytest.mark.parametrize('serialize', [True, False])
def test_csv_subset_keeps_images_and_labels_together(tmp_path, serialize):
    path = write_csv(tmp_path / 'fer2013.csv')
    dataset = FER2013(path, indices=[5, 2], serialize_data=serialize)
    assert dataset.get_gt_labels().tolist() == [5, 2]
    np.testing.assert_array_equal(dataset[0]['img'], IMAGES[5])
    np.testing.assert_array_equal(dataset.get_subset([1])[0]['img'], IMAGES[2])


def test_all_bad_rows_are_reported(tmp_path):
    good = text(IMAGES[0])
    rows = [
        f'0,{good},Training',
        f'7,{good},Training',
        f'0,{good} 7,Training',
        f'0,{good[:-8]},Training',
        f'0,{text([300] * 2304)},Training',
        f'0,{good.replace(" ", " x", 1)},Training',
        f'0,{good} 1,PublicTest',
        f'0,{good},Train',
        f'0,{good}',
    ]
    with pytest.raises(ValueError) as error:
        FER2013(write_csv(tmp_path / 'fer2013.csv', rows))
    message = str(error.value)
    assert "1 emotions that are not in 0..6: row 3 '7'" in message
    assert '5 pixels that are not 2304 numbers in 0..255: row 4 (2305 values), row 5 ' in message
    assert 'row 8 (2305 values)' in message
    assert "1 unknown usages (known: Training, PublicTest, PrivateTest): row 9 'Train'" in message
    assert '1 rows with missing or extra cells: row 10 (2 cells)' in message


@pytest.mark.parametrize(
    ('folder', 'split'), [('train', 'train'), ('PublicTest', 'val'), ('Validation', 'val'), ('test', 'test')]
)
def test_class_folders(tmp_path, folder, split):
    dataset = FER2013(make_folders(tmp_path, folder), split=split)
    assert set(dataset.class_counts().values()) == {2}
    for info in dataset:
        assert FOLDERS[info['gt_label']] == Path(info['img_path']).parent.name
    assert LoadImageFromFile()(dataset[0])['img'].shape == (48, 48, 3)


def test_case_and_blanks_of_usages_do_not_matter(tmp_path):
    rows = [f'{i % 7}, {text(img)} , {usage.upper()} ' for i, (img, usage) in enumerate(zip(IMAGES, USAGES))]
    path = write_csv(tmp_path / 'fer2013.csv', rows)
    sizes = [len(FER2013(path, split=split, allow_empty_classes=True)) for split in ('train', 'val', 'test')]
    assert sizes == [7, 1, 1]


def test_form_is_chosen_by_what_is_there_and_can_be_forced(tmp_path):
    make_folders(tmp_path, 'train')
    assert len(FER2013(str(tmp_path))) == 14
    write_csv(tmp_path / 'fer2013.csv')
    assert len(FER2013(str(tmp_path))) == 7
    assert len(FER2013(str(tmp_path), ann_file='')) == 14
    assert len(FER2013(str(tmp_path), ann_file='fer2013.csv')) == 7


def test_missing_sources(tmp_path):
    for kwargs, path in (
        (dict(data_root=str(tmp_path / 'absent')), str(tmp_path / 'absent')),
        (dict(data_root=str(tmp_path / 'fer2013.csv')), 'fer2013.csv'),
        (dict(data_root=str(tmp_path), ann_file='x.csv'), 'x.csv'),
        (dict(data_root=str(tmp_path), split='val'), "split 'val' (one of val, valid"),
        (dict(), 'not found'),
    ):
        with pytest.raises(FileNotFoundError) as error:
            FER2013(**kwargs)
        assert path in str(error.value).splitlines()[0]
        assert 'data_root/fer2013.csv' in str(error.value)
        assert 'kaggle.com' in str(error.value)
