import pytest
from dataset_trees import check_common_failures, tail, write_images

from mmfer.datasets import LoadImageFromFile
from mmfer.datasets.jaffe import JAFFE

NAMES = ['KA.AN1.39', 'KL.DI4.173', 'KA.FE4.48', 'KR.HA2.75', 'KA.NE1.26', 'KM.SA5.13', 'YM.SU3.60', 'YM.SU1.58']
FILES = [f'{name}.tiff' for name in NAMES]


@pytest.mark.parametrize('top', ['jaffe', 'jaffedbase', ''])
@pytest.mark.parametrize('extension', ['tiff', 'png', 'JPG'])
def test_published_layout(tmp_path, top, extension):
    write_images(tmp_path / top, *(f'{name}.{extension}' for name in NAMES))
    (tmp_path / top / 'README').touch()
    dataset = JAFFE(str(tmp_path))
    assert dataset.classes == ('anger', 'disgust', 'fear', 'happiness', 'neutral', 'sadness', 'surprise')
    assert list(dataset.class_counts().values()) == [1, 1, 1, 1, 1, 1, 2]
    assert all(entry['subject'] == tail(tmp_path / top, entry['img_path'])[:2] for entry in dataset)
    assert LoadImageFromFile()(dataset[0])['img'].shape == (8, 8, 3)
    assert sum(dataset.published_counts()) == 213


def test_other_names_are_all_reported(tmp_path):
    bad = ['KA.XX1.39.tiff', 'K.AN1.39.tiff', 'other.png']
    with pytest.raises(ValueError, match=r'3 images with other names than such as KA\.AN1\.39\.tiff') as error:
        JAFFE(write_images(tmp_path, *FILES, *bad))
    assert all(name in str(error.value) for name in bad)


def test_failures(tmp_path):
    check_common_failures(JAFFE, write_images(tmp_path / 'jaffe', *FILES))


def test_linked_folders_are_read_and_what_is_left_out_is_counted(tmp_path, left_out):
    write_images(tmp_path / 'jaffe', *FILES[:3])
    write_images(tmp_path / 'elsewhere', *FILES[3:])
    (tmp_path / 'jaffe/more').symlink_to(tmp_path / 'elsewhere')
    (tmp_path / 'jaffe/round').symlink_to(tmp_path / 'jaffe')
    (tmp_path / 'jaffe/KA.AN9.99.gif').touch()
    assert len(JAFFE(str(tmp_path))) == len(FILES)
    assert [line.count('1 image files under') for line in left_out] == [1]
