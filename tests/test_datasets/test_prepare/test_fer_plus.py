import cv2
import pytest
import raw_copies as raw

from mmfer.datasets.fer_plus import FERPlus
from mmfer.datasets.prepare import prepare


def quiet(source, out):
    said = []
    prepare('ferplus', str(source), str(out), say=said.append)
    return '\n'.join(said)


def test_each_row_gets_its_name(tmp_path):
    tree = raw.write_tree(raw.RAW['ferplus-csv'](), tmp_path / 'raw')
    text = quiet(tree, tmp_path / 'out')
    assert '24 images written' in text
    assert '3 rows without an image name left out' in text
    image = cv2.imread(str(tmp_path / 'out' / 'FER2013Valid' / 'fer0000009.png'), cv2.IMREAD_UNCHANGED)
    assert image.shape == (48, 48)
    assert set(image.ravel()) == {9}
    dataset = FERPlus(str(tmp_path / 'out'), split='test')
    assert [cv2.imread(dataset[i]['img_path'])[0, 0, 0] for i in range(8)] == list(range(18, 26))


def test_rows_that_share_a_name(tmp_path):
    listed = raw.fer_plus_csv().replace(b'fer0000003.png', b'fer0000001.png')
    tree = raw.write_tree({'fer2013.csv': raw.fer2013_csv(rows=9), 'fer2013new.csv': listed}, tmp_path / 'raw')
    assert '1 rows name an image of an earlier row' in quiet(tree, tmp_path / 'out')
    image = cv2.imread(str(tmp_path / 'out' / 'FER2013Train' / 'fer0000001.png'))
    assert image[0, 0, 0] == 1


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda pixels, listed: (pixels.rsplit(b'\n', 1)[0], listed), 'numbers of rows that disagree'),
        (lambda pixels, listed: (pixels, listed.rsplit(b'\n', 2)[0]), 'numbers of rows that disagree'),
        (lambda pixels, listed: (pixels.replace(b'PublicTest', b'Training'), listed), '9 rows whose Usage differs'),
        (
            lambda pixels, listed: (pixels.replace(b'5 5 5', b'5 5 300', 1), listed),
            '1 pixels that are not 2304 numbers',
        ),
        (lambda pixels, listed: (pixels, listed.replace(b'fer0000003.png', b'../x.png')), '1 image names that are not'),
        (lambda pixels, listed: (pixels.replace(b'pixels', b'pix'), listed), 'no column pixels'),
    ],
)
def test_lists_that_do_not_belong_together(tmp_path, change, message):
    pixels, listed = change(raw.fer2013_csv(rows=9), raw.fer_plus_csv())
    tree = raw.write_tree({'fer2013.csv': pixels, 'fer2013new.csv': listed}, tmp_path / 'raw')
    with pytest.raises(ValueError, match=message):
        quiet(tree, tmp_path / 'out')
    assert not list(tmp_path.rglob('*.png'))


def test_class_folders_cannot_serve(tmp_path):
    files = {**raw.RAW['fer2013-folders'](), 'fer2013new.csv': raw.fer_plus_csv()}
    with pytest.raises(ValueError, match=r'the images fer2013\.csv'):
        quiet(raw.write_tree(files, tmp_path / 'raw'), tmp_path / 'out')
