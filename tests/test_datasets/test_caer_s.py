import pytest
from dataset_trees import check_common_failures, tail, write_class_folders, write_images

from mmfer.datasets.caer_s import CAERS

FOLDERS = ('Anger', 'Disgust', 'Fear', 'Happy', 'Neutral', 'Sad', 'Surprise')


@pytest.mark.parametrize('top', ['', 'CAER-S'])
@pytest.mark.parametrize('case', [str, str.capitalize])
def test_published_layout(tmp_path, top, case):
    write_class_folders(tmp_path / top / case('train'), FOLDERS)
    write_class_folders(tmp_path / top / case('test'), FOLDERS, ['0001.png'])
    train, test = CAERS(str(tmp_path)), CAERS(str(tmp_path), split='test')
    assert train.classes == ('anger', 'disgust', 'fear', 'happiness', 'neutral', 'sadness', 'surprise')
    assert train.get_gt_labels().tolist() == [i // 2 for i in range(14)]
    assert tail(tmp_path / top, test[3]['img_path']) == f'{case("test")}/Happy/0001.png'
    assert (train.published_counts(), test.published_counts()) == (48995, 20987)
    assert test.protocol == 'CAERS test'


def test_the_spelling_of_other_copies(tmp_path):
    write_class_folders(tmp_path / 'train', ('Angry', *FOLDERS[1:]))
    assert CAERS(str(tmp_path)).class_counts()['anger'] == 2


def test_failures(tmp_path):
    check_common_failures(CAERS, write_class_folders(tmp_path / 'caer' / 'train', FOLDERS)[: -len('/train')])


def test_missing_split_and_images_beside_the_folders(tmp_path):
    root = write_class_folders(tmp_path / 'train', FOLDERS[1:])[: -len('/train')]
    with pytest.raises(FileNotFoundError, match='images not found.*test'):
        CAERS(root, split='test', validate=False)
    write_images(tmp_path, 'train/loose.png')
    with pytest.raises(ValueError, match='1 images lie directly in'):
        CAERS(root)
