import json

import cv2
import numpy as np
import pytest
import raw_copies as raw

from mmfer.datasets.affect_net import AffectNet
from mmfer.datasets.prepare import prepare
from mmfer.faces.cropping import CropFace

IMAGES = 'Manually_Annotated/Manually_Annotated_Images'


def quiet(source, out, **options):
    said = []
    prepare('affectnet', str(source), str(out), say=said.append, **options)
    return '\n'.join(said)


@pytest.fixture
def tree(tmp_path):
    return raw.write_tree(raw.RAW['affectnet-2017'](), tmp_path / 'raw')


def add_rows(tree, *rows, split='training'):
    with open(tree / 'Manually_Annotated_file_lists' / f'{split}.csv', 'a') as file:
        file.write(''.join(f'\n{row}' for row in rows))


def test_crops_are_those_of_the_transform(tmp_path, tree):
    """Face at 4..20 of 24 pixels; the box leaves only the face, a margin brings the black around it in."""
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    noise = cv2.GaussianBlur(noise, (0, 0), 5)
    cv2.imwrite(str(tree / IMAGES / '1' / 'training0.jpg'), noise, [cv2.IMWRITE_JPEG_QUALITY, 100])
    for margin in (0.0, 0.25):
        out = tmp_path / f'out{margin}'
        quiet(tree, out, margin=margin)
        dataset = AffectNet(str(out), split='train', ann_file='train.json', num_classes=8)
        image = cv2.imread(dataset[1]['img_path'])
        side = round(16 * (1 + 2 * margin))
        assert image.shape == (side, side, 3)
        assert bool(image.min() > 150) is (margin == 0)
        photo = cv2.imread(str(tree / IMAGES / '1' / 'training0.jpg'))
        expected = CropFace(margin=margin)(dict(img=photo, img_path='', face_box=(4, 4, 20, 20)))['img']
        found = cv2.imread(dataset[0]['img_path'])
        assert np.abs(found.astype(int) - expected).mean() < 4


def test_large_faces_are_made_smaller(tmp_path, tree):
    image = np.full((300, 500, 3), 90, np.uint8)
    cv2.imwrite(str(tree / IMAGES / '1' / 'big.png'), image)
    cv2.imwrite(str(tree / IMAGES / '1' / 'big.jpg'), image)
    add_rows(tree, '1/big.png,10,10,400,200,1;2,1,0.1,0.2', '1/big.jpg,10,10,100,100,1;2,2,0.1,0.2')
    quiet(tree, tmp_path / 'out', max_size=128)
    data = json.loads((tmp_path / 'out' / 'train.json').read_text())['data_list'][-2:]
    assert [info['img_path'] for info in data] == ['1/big.jpg', '1/big_2.jpg']
    shapes = [cv2.imread(str(tmp_path / 'out' / 'Manually_Annotated_Images' / info['img_path'])).shape for info in data]
    assert shapes == [(128, 128, 3), (100, 100, 3)]


def test_two_faces_of_one_photograph(tmp_path, tree):
    add_rows(tree, '1/training0.jpg,0,0,8,8,1;2,5,0.1,0.2', '1/training0.jpg,4,4,16,16,1;2,6,0.1,0.2')
    quiet(tree, tmp_path / 'out')
    data = json.loads((tmp_path / 'out' / 'train.json').read_text())['data_list'][-2:]
    assert [info['img_path'] for info in data] == ['1/training0_2.jpg', '1/training0.jpg']
    assert [info['gt_label'] for info in data] == [5, 6]


def test_missing_photographs_are_all_told_before_cropping(tmp_path, tree):
    for label in range(8):
        (tree / IMAGES / '1' / f'training{label}.jpg').unlink()
        (tree / IMAGES / '2' / f'validation{label}.jpg').unlink()
    with pytest.raises(FileNotFoundError, match='16 photographs of the lists are not in RAW_DIR') as error:
        quiet(tree, tmp_path / 'out')
    assert '1/training0.jpg (training.csv)' in str(error.value)
    assert '6 more' in str(error.value)
    assert not (tmp_path / 'out').exists()


def test_unreadable_photographs_can_be_left_out(tmp_path, tree):
    (tree / IMAGES / '1' / 'training0.jpg').write_bytes(b'')
    (tree / IMAGES / '1' / 'training1.jpg').write_bytes(b'no image')
    add_rows(
        tree,
        '1/training2.jpg,100,100,5,5,1;2,0,0.1,0.2',
        '1/training3.jpg,0,0,20,20,1;2,0,0.1,0.2',
        '1/training4.jpg,0,0,20,20,1;2,1,0.1,0.2',
    )
    out = tmp_path / 'out'
    with pytest.raises(ValueError, match=r'training0\.jpg \(cannot be decoded\)\. .*--skip-unreadable'):
        quiet(tree, out)
    assert not out.exists()
    text = quiet(tree, out, skip_unreadable=True)
    for part in (
        '3 faces that cannot be cropped are left out',
        'training1.jpg',
        'outside the image',
        '16 faces cropped',
    ):
        assert part in text
    assert len(AffectNet(str(out), split='train', ann_file='train.json', num_classes=8)) == 8


def test_malformed_list(tmp_path, tree):
    add_rows(tree, '1/training0.jpg,4,4,16,16,1;2,11,0.1,0.2', '1/training0.jpg,4,4,x,16,1;2,1,0.1,0.2')
    with pytest.raises(ValueError, match=r'labels that are not in 0\.\.10') as error:
        quiet(tree, tmp_path / 'out')
    assert 'malformed numbers' in str(error.value)
    assert not (tmp_path / 'out').exists()


def test_a_face_without_a_box_is_not_written_as_the_whole_photograph(tmp_path, tree):
    add_rows(tree, '1/training0.jpg,NULL,NULL,NULL,NULL,1;2,0,0.1,0.2')
    with pytest.raises(ValueError, match=r'training0\.jpg \(its row has no face box\)\. .*--skip-unreadable'):
        quiet(tree, tmp_path / 'out')


@pytest.mark.parametrize('options', [dict(margin=-0.5), dict(margin=float('nan')), dict(max_size=15), dict(max_size=0)])
def test_wrong_options(tmp_path, tree, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        quiet(tree, tmp_path / 'out', **options)
    assert not (tmp_path / 'out').exists()


def test_automatic_annotations_do_not_mix_in(tmp_path, tree):
    files = {'Automatically_Annotated/Automatically_Annotated_Images/1/training0.jpg': raw.picture(1, size=30)}
    raw.write_tree(files, tree)
    quiet(tree, tmp_path / 'out')


# ---- layout of 2021 -------------------------------------------------------------------------------------------------
@pytest.fixture
def parts(tmp_path):
    return raw.write_tree(raw.RAW['affectnet-2021'](), tmp_path / 'raw')


def test_2021_lists(tmp_path, parts):
    raw.write_tree({'val_set/images/77.jpg': raw.picture(3)}, parts)
    (parts / 'val_set' / 'annotations' / '2_val.npy').unlink()
    text = quiet(parts, tmp_path / 'out')
    assert 'val.json written; faces left out: 1 none' in text
    data = json.loads((tmp_path / 'out' / 'val.json').read_text())['data_list']
    assert [info['img_path'] for info in data] == [f'{i}.jpg' for i in range(8)]
    assert data[2] == dict(img_path='2.jpg', gt_label=2, arousal=-0.25)
    assert (tmp_path / 'out' / 'val_set' / 'images' / '1.jpg').is_symlink()
    assert not (tmp_path / 'out' / 'val_set' / 'annotations').exists()


def test_2021_malformed_annotations(tmp_path, parts):
    (parts / 'train_set' / 'annotations' / '0_exp.npy').write_bytes(raw.number('happy'))
    with pytest.raises(ValueError, match=r'1 annotation files that hold no number: 0_exp\.npy'):
        quiet(parts, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()
