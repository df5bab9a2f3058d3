from pathlib import Path

import pytest
from dataset_trees import check_common_failures, raf_tree

from mmfer.datasets import RAFDB

REAL_LIST = Path(__file__).resolve().parents[2].parent / 'shared' / 'data' / 'rafdb_list_patition_label.txt'


def test_published_layout(tmp_path):
    lines = [f'train_{i:05d}.jpg {i}' for i in range(1, 8)] + ['test_0001.jpg 4', 'test_0002.jpg 1']
    root = raf_tree(tmp_path / 'raf', lines)
    train, test = RAFDB(root), RAFDB(root, split='test', allow_empty_classes=True)
    assert train.classes == ('surprise', 'fear', 'disgust', 'happiness', 'sadness', 'anger', 'neutral')
    assert train.get_gt_labels().tolist() == list(range(7))
    assert train[0]['img_path'].endswith('Image/aligned/train_00001_aligned.jpg')
    assert test.class_counts() == dict(surprise=1, fear=0, disgust=0, happiness=1, sadness=0, anger=0, neutral=0)
    assert train.metainfo['classes'] == test.metainfo['classes']
    assert (train.protocol, test.metainfo['protocol']) == ('RAFDB train', 'RAFDB test')


def test_case_of_the_names_does_not_matter(tmp_path):
    root = raf_tree(tmp_path / 'raf', ['Train_00001.jpg 5', 'train_00002.jpg 1', 'TEST_0001.jpg 4'])
    assert len(RAFDB(root, allow_empty_classes=True)) == 2


def test_windows_line_ends_bom_and_blank_lines(tmp_path):
    root = raf_tree(tmp_path / 'raf', ['train_00001.jpg 5'])
    (tmp_path / 'raf/EmoLabel/list_patition_label.txt').write_bytes(b'\xef\xbb\xbftrain_00001.jpg 5\r\n\r\n')
    assert RAFDB(root, allow_empty_classes=True).get_gt_labels().tolist() == [4]


def test_all_bad_lines_are_reported(tmp_path):
    root = raf_tree(tmp_path / 'raf', ['train_00001.jpg 5', 'train_00002.jpg 6', 'test_0001.jpg 2'], ['train_00002'])
    with open(f'{root}/EmoLabel/list_patition_label.txt', 'a') as file:
        file.write('train_00003.jpg\nval_0001.jpg 3\ntrain_00004.jpg 8\ntest_0002.jpg 0\ntrain_00005.jpg x\n')
    with pytest.raises(FileNotFoundError) as error:
        RAFDB(root)
    text = str(error.value)
    assert '2 malformed lines' in text
    assert "line 4 'train_00003.jpg'" in text
    assert "line 5 'val_0001.jpg 3'" in text
    assert '3 labels that are not in 1..7' in text
    assert "line 7 'test_0002.jpg 0'" in text
    assert '1 image files that do not exist' in text
    assert 'train_00002_aligned.jpg' in text


def test_failures(tmp_path):
    check_common_failures(RAFDB, raf_tree(tmp_path / 'raf', [f'train_{i:05d}.jpg {i}' for i in range(1, 8)]))


@pytest.mark.skipif(not REAL_LIST.is_file(), reason='needs the real list in ../shared/data')
@pytest.mark.parametrize(('split', 'total'), [('train', 12271), ('test', 3068)])
def test_counts_of_the_real_list(split, total):
    dataset = RAFDB(split=split, ann_file=str(REAL_LIST), validate=False)
    assert len(dataset) == total
    assert tuple(dataset.class_counts().values()) == RAFDB.PUBLISHED_COUNTS[split]


def test_attributes(tmp_path):
    root = raf_tree(tmp_path / 'raf', ['test_0001.jpg 4', 'test_0002.jpg 1', 'test_0003.jpg 1'])
    folder = tmp_path / 'raf' / 'Annotation' / 'manual'
    folder.mkdir(parents=True)
    landmarks = '96.1\t71.0\n' * 5
    for name, text in (('0001', '1\n2\n3'), ('0002', '0\r\n0\r\n0\r\n'), ('0003', '2\n1\n4\n')):
        (folder / f'test_{name}_manu_attri.txt').write_text(landmarks + text, newline='')
    options = dict(split='test', allow_empty_classes=True)
    dataset = RAFDB(root, attributes=True, **options)
    assert dataset.column('gender') == ['female', 'male', 'unsure']
    assert dataset.column('race') == ['Asian', 'Caucasian', 'African-American']
    assert dataset.column('age') == ['40-69', '0-3', '70+']
    assert 'gender' not in RAFDB(root, **options)[0]
    (folder / 'test_0001_manu_attri.txt').write_text(landmarks + '5\n2\n3\n')
    (folder / 'test_0002_manu_attri.txt').write_text(landmarks)
    (folder / 'test_0003_manu_attri.txt').unlink()
    with pytest.raises(ValueError, match='2 files of attributes without gender, race and age in lines 6 to 8') as error:
        RAFDB(root, attributes=True, **options)
    assert '1 files of attributes that do not exist (attributes=False reads none)' in str(error.value)
