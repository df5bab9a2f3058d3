import cv2
import numpy as np
import pytest

from mmfer.datasets import FolderDataset
from mmfer.registry import DATASETS


def make_tree(root, *files):
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in ('.jpg', '.PNG', '.png'):
            path.write_bytes(cv2.imencode('.png', np.zeros((4, 4, 3), np.uint8))[1].tobytes())
        else:
            path.touch()
    return str(root)


def test_synonyms_nested_folders_and_order(tmp_path):
    root = make_tree(
        tmp_path, 'Happy/b.jpg', 'Happy/a.PNG', 'Happy/person1/c.jpg', 'joy/a.jpg', 'angry/a.jpg', 'neutral/a.jpg'
    )
    dataset = DATASETS.build(dict(type='FolderDataset', data_root=root))
    assert dataset.classes == ('neutral', 'happiness', 'anger')
    assert dataset.class_counts() == dict(neutral=1, happiness=4, anger=1)
    names = [info['img_path'][len(root) + 1 :] for info in dataset]
    assert names == ['Happy/a.PNG', 'Happy/b.jpg', 'Happy/person1/c.jpg', 'angry/a.jpg', 'joy/a.jpg', 'neutral/a.jpg']


def test_split_and_classes_fix_the_label_order(tmp_path):
    root = make_tree(tmp_path, 'train/sad/a.jpg', 'train/fear/a.jpg', 'test/fear/a.jpg')
    classes = ['fear', 'Sad', 'surprise']
    options = dict(classes=classes, allow_empty_classes=True)
    train, test = (FolderDataset(root, split=split, **options) for split in ('train', 'test'))
    assert train.classes == test.classes
    assert train.classes == ('fear', 'sadness', 'surprise')
    assert train.get_gt_labels().tolist() == [0, 1]
    assert test.get_gt_labels().tolist() == [0]


def test_class_map(tmp_path):
    root = make_tree(tmp_path, '1/a.jpg', '2/a.jpg', '2/b.jpg', 'junk/a.jpg', 'fear/a.jpg')
    dataset = FolderDataset(root, class_map={1: 'surprise', '2': 'happy', 'junk': None})
    assert dataset.class_counts() == dict(happiness=2, surprise=1, fear=1)
    with pytest.raises(ValueError, match='unknown expression'):
        FolderDataset(root, class_map={'1': 'boredom'})


def test_unknown_folders_are_all_listed_with_the_remedy(tmp_path):
    root = make_tree(tmp_path, 'bored/a.jpg', 'sleepy/a.jpg', 'happy/a.jpg')
    with pytest.raises(ValueError, match='2 folders .*: bored, sleepy') as error:
        FolderDataset(root)
    assert 'contempt' in str(error.value)
    assert 'joy' in str(error.value)
    assert 'class_map' in str(error.value)


def test_folder_outside_classes(tmp_path):
    root = make_tree(tmp_path, 'contempt/a.jpg', 'happy/a.jpg')
    with pytest.raises(ValueError, match='contempt is not in classes'):
        FolderDataset(root, classes=['happiness'])
    assert len(FolderDataset(root, classes=['happiness'], class_map=dict(contempt=None))) == 1


def test_forgotten_split_gets_a_hint(tmp_path):
    root = make_tree(tmp_path, 'train/sad/a.jpg', 'test/sad/a.jpg')
    with pytest.raises(ValueError, match="set split='test'"):
        FolderDataset(root)


def test_images_beside_the_folders(tmp_path):
    root = make_tree(tmp_path, 'happy/a.jpg', 'x.jpg', 'y.png')
    with pytest.raises(ValueError, match=r'2 images lie directly in .*\(x\.jpg, y\.png\)'):
        FolderDataset(root)


def test_hidden_and_other_files(tmp_path):
    root = make_tree(
        tmp_path, 'sad/a.jpg', 'sad/.b.jpg', 'sad/.cache/c.jpg', '.git/d.jpg', '__MACOSX/e.jpg', 'sad/readme.txt'
    )
    assert len(FolderDataset(root)) == 1
    dataset = FolderDataset(root, extensions=['TXT'])
    assert dataset[0]['img_path'].endswith('readme.txt')


def test_empty_trees(tmp_path):
    with pytest.raises(ValueError, match='no folders in'):
        FolderDataset(str(tmp_path))
    (tmp_path / 'happy').mkdir()
    (tmp_path / 'sad').mkdir()
    make_tree(tmp_path, 'fear/a.jpg')
    with pytest.raises(ValueError, match='2 folders without images: happy, sad'):
        FolderDataset(str(tmp_path))
    with pytest.raises(ValueError, match='leaves out all folders'):
        FolderDataset(str(tmp_path), class_map=dict(happy=None, sad=None, fear=None))


def test_missing_root_and_split(tmp_path):
    with pytest.raises(FileNotFoundError, match='absent') as error:
        FolderDataset(str(tmp_path / 'absent'))
    assert 'happiness/*.jpg' in str(error.value)
    assert 'data_root' in str(error.value)
    make_tree(tmp_path, 'train/sad/a.jpg')
    with pytest.raises(FileNotFoundError, match="split 'tset' not found.*\n.*train"):
        FolderDataset(str(tmp_path), split='tset')


def test_lazy_init_with_classes_looks_at_nothing(tmp_path):
    dataset = FolderDataset(str(tmp_path / 'absent'), classes=['happy'], lazy_init=True)
    assert dataset.classes == ('happiness',)
    with pytest.raises(FileNotFoundError):
        dataset.full_init()


def test_wrong_arguments(tmp_path):
    root = make_tree(tmp_path, 'sad/a.jpg')
    with pytest.raises(TypeError, match="classes='sad'"):
        FolderDataset(root, classes='sad')
    with pytest.raises(ValueError, match='twice'):
        FolderDataset(root, classes=['sad', 'sadness'])
    with pytest.raises(ValueError, match='option `classes`'):
        FolderDataset(root, metainfo=dict(classes=('sadness',)))


def test_linked_folders_are_searched_but_not_in_circles(tmp_path, left_out):
    root = make_tree(tmp_path / 'own', 'happy/a.jpg', 'sad/a.jpg')
    make_tree(tmp_path, 'far/happy/b.jpg', 'far/happy/deep/c.jpg', 'far/anger/d.jpg')
    (tmp_path / 'own/happy/more').symlink_to(tmp_path / 'far/happy')
    (tmp_path / 'own/happy/all').symlink_to('..')  # the images of other classes are not happy
    (tmp_path / 'own/anger').symlink_to(tmp_path / 'far/anger')
    assert FolderDataset(root).class_counts() == dict(happiness=3, sadness=1, anger=1)
    assert left_out == []


def test_image_files_that_are_left_out_are_counted_in_one_line(tmp_path, left_out):
    root = make_tree(tmp_path, 'sad/a.jpg', 'sad/.b.jpg', '.cache/c.jpg', 'sad/d.jxl', 'e.gif', 'junk/f.jpg', 'g.txt')
    dataset = FolderDataset(root, class_map=dict(junk=None))
    assert len(dataset) == 1
    [line] = left_out
    assert line.startswith(f'FolderDataset: 5 image files under {root} were left out: ')
    assert f'2 with endings that are not read ({root}/e.gif)' in line
    assert f'2 in hidden files and folders ({root}/.cache/c.jpg)' in line
    assert f'1 by class_map ({root}/junk/f.jpg)' in line
    dataset.full_init()
    assert len(left_out) == 1


def test_the_message_shows_what_works_on_the_command_line(tmp_path):
    root = make_tree(tmp_path, '1/a.jpg', '2/a.jpg')
    with pytest.raises(ValueError, match='2 folders') as error:
        FolderDataset(root)
    assert "class_map={'1': 'surprise'}" in str(error.value)
    assert '--cfg-options train_dataloader.dataset.class_map.1=surprise;' in str(error.value)
    with pytest.raises(ValueError, match='is no mapping. Map a folder with class_map='):
        FolderDataset(root, class_map="{'1':'surprise'}")


def test_classes_of_any_name(tmp_path):
    root = make_tree(tmp_path, 'Bored/a.jpg', ' engaged/a.jpg', 'joy/a.jpg', 'grin/a.jpg', '7/a.jpg')
    classes = ('engaged', 'bored', 'happy', 7)
    dataset = FolderDataset(root, classes=classes, class_map=dict(grin='Engaged'))
    assert dataset.classes == ('engaged', 'bored', 'happiness', '7')
    assert dataset.class_counts() == {'engaged': 2, 'bored': 1, 'happiness': 1, '7': 1}
    with pytest.raises(ValueError, match='1 folders .*: grin. Known are engaged, bored, happiness, 7'):
        FolderDataset(root, classes=classes)
    with pytest.raises(ValueError, match='unknown expression'):
        FolderDataset(root, classes=classes, class_map=dict(grin='calm'))
    with pytest.raises(ValueError, match='once'):
        FolderDataset(root, classes=('bored', 'Bored '))
