import pytest
from dataset_trees import check_common_failures, tail, write_class_folders

from mmfer.datasets.sfew import SFEW

FOLDERS = ('Angry', 'Disgust', 'Fear', 'Happy', 'Neutral', 'Sad', 'Surprise')


@pytest.mark.parametrize(
    ('split', 'aligned', 'folder'),
    [
        ('train', False, 'Train'),
        ('val', False, 'Val'),
        ('train', True, 'Train_Aligned_Faces'),
        ('train', True, 'Train/Train_Aligned_Faces'),
        ('val', True, 'Val_Aligned_Faces'),
        ('val', True, 'Val/Val_Aligned_Faces_new'),
    ],
)
def test_published_layout(tmp_path, split, aligned, folder):
    write_class_folders(tmp_path / folder, FOLDERS)
    dataset = SFEW(str(tmp_path), split=split, aligned=aligned)
    assert dataset.classes == ('anger', 'disgust', 'fear', 'happiness', 'neutral', 'sadness', 'surprise')
    assert dataset.get_gt_labels().tolist() == [i // 2 for i in range(14)]
    assert tail(tmp_path, dataset[7]['img_path']) == f'{folder}/Happy/b.png'


def test_newer_faces_are_taken_and_aligned_ones_are_no_class_of_the_frames(tmp_path):
    for folder in ('Val', 'Val/Val_Aligned_Faces', 'Val/Val_Aligned_Faces_new'):
        write_class_folders(tmp_path / folder, FOLDERS)
    assert 'Faces_new' in SFEW(str(tmp_path), split='val')[0]['img_path']
    frames = SFEW(str(tmp_path), split='val', aligned=False)
    assert len(frames) == 14
    assert frames.protocol == 'SFEW val, whole frames'
    other = SFEW(str(tmp_path), split='val', img_prefix='Val/Val_Aligned_Faces')
    assert tail(tmp_path, other[0]['img_path']) == 'Val/Val_Aligned_Faces/Angry/a.png'


@pytest.mark.parametrize(('aligned', 'counts'), [(True, (891, 431)), (False, (958, 436))])
def test_published_counts(aligned, counts):
    sets = (SFEW(split=split, aligned=aligned, lazy_init=True) for split in ('train', 'val'))
    assert tuple(dataset.published_counts() for dataset in sets) == counts


def test_failures(tmp_path):
    write_class_folders(tmp_path / 'sfew' / 'Train_Aligned_Faces', FOLDERS)
    check_common_failures(SFEW, str(tmp_path / 'sfew'))
