import cv2
import numpy as np
import pytest

from mmfer.datasets.raf_db_compound import RAFDBCompound
from mmfer.registry import DATASETS

LINES = [f'train_{i:04d}.jpg {i}' for i in range(1, 12)] + [f'test_{i:04d}.jpg {12 - i}' for i in range(1, 12)]


def make_tree(root, lines=LINES, skip=()):
    (root / 'EmoLabel').mkdir(parents=True)
    (root / 'Image' / 'aligned').mkdir(parents=True)
    (root / 'EmoLabel' / 'list_patition_label.txt').write_text('\n'.join(lines) + '\n')
    for line in lines:
        stem = line.split('.')[0]
        if stem not in skip:
            cv2.imwrite(str(root / 'Image' / 'aligned' / f'{stem}_aligned.jpg'), np.full((10, 10, 3), 90, np.uint8))
    return str(root)


def test_published_layout(tmp_path):
    root = make_tree(tmp_path / 'raf')
    train = DATASETS.build(dict(type='RAFDBCompound', data_root=root))
    test = RAFDBCompound(root, split='test')
    assert train.num_classes == 11
    assert train.classes[0] == 'happily surprised'
    assert train.classes[-1] == 'disgustedly surprised'
    assert train.get_gt_labels().tolist() == list(range(11))
    assert test.get_gt_labels().tolist() == list(range(10, -1, -1))
    assert train[0]['img_path'].endswith('Image/aligned/train_0001_aligned.jpg')
    assert (train.protocol, test.protocol) == ('RAFDBCompound train', 'RAFDBCompound test')
    assert (train.published_counts(), test.published_counts()) == (3162, 792)


def test_all_bad_lines_are_reported(tmp_path):
    lines = [*LINES, 'train_0012.jpg 12', 'train_0013.jpg 0', 'train_0014.jpg']
    root = make_tree(tmp_path / 'raf', lines, skip=('train_0003', 'train_0004'))
    with pytest.raises(FileNotFoundError) as error:
        RAFDBCompound(root)
    text = str(error.value)
    assert '2 labels that are not in 1..11: line 23' in text
    assert '1 malformed lines' in text
    assert '2 image files that do not exist' in text
    assert 'train_0004_aligned.jpg' in text


@pytest.mark.parametrize('missing', ['root', 'list', 'images'])
def test_missing_parts(tmp_path, missing):
    root = tmp_path / 'raf'
    if missing != 'root':
        make_tree(root)
    if missing == 'list':
        (root / 'EmoLabel' / 'list_patition_label.txt').unlink()
    if missing == 'images':
        (root / 'Image').rename(root / 'Images')
    with pytest.raises(FileNotFoundError) as error:
        RAFDBCompound(str(root))
    text = str(error.value)
    assert dict(root=str(root), list='list_patition_label.txt', images='Image/aligned')[missing] in text.splitlines()[0]
    assert 'the archive of the compound part' in text


def test_list_of_the_basic_part_leaves_classes_empty(tmp_path):
    root = make_tree(tmp_path / 'raf', LINES[:7])
    with pytest.raises(ValueError, match='no samples of fearfully surprised, angrily surprised'):
        RAFDBCompound(root)
    assert len(RAFDBCompound(root, allow_empty_classes=True)) == 7


def test_wrong_options(tmp_path):
    with pytest.raises(TypeError, match='img_sufix'):
        RAFDBCompound(str(tmp_path), img_sufix='')
    with pytest.raises(ValueError, match="split='val'"):
        RAFDBCompound(str(tmp_path), split='val')
