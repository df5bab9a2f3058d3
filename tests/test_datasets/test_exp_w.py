import pytest
from dataset_trees import check_common_failures, write_image

from mmfer.datasets.exp_w import ExpW

# one picture with two faces, and six with one each
LINES = ['a.jpg 0 2 1 5 7 90.5 0', 'a.jpg 1 0 0 3 3 20 1'] + [f'p {i}.jpg 0 1 1 4 4 60 {i}' for i in range(2, 7)]


def make_tree(root, lines=LINES, label='label/label.lst', images='image/origin'):
    (root / label).parent.mkdir(parents=True, exist_ok=True)
    (root / label).write_text('\n'.join(lines) + '\n')
    (root / images).mkdir(parents=True, exist_ok=True)
    for name in {line.rsplit(None, 7)[0] for line in lines if line}:
        write_image(root / images / name)
    return str(root)


@pytest.mark.parametrize('images', ['image/origin', 'origin', 'image'])
@pytest.mark.parametrize('label', ['label/label.lst', 'label.lst'])
def test_published_layout(tmp_path, images, label):
    dataset = ExpW(make_tree(tmp_path, label=label, images=images))
    assert dataset.classes == ('anger', 'disgust', 'fear', 'happiness', 'sadness', 'surprise', 'neutral')
    assert dataset.get_gt_labels().tolist() == list(range(7))
    first, second = dataset[0], dataset[1]
    assert first['img_path'] == second['img_path'] == str(tmp_path / images / 'a.jpg')
    assert first['face_box'] == (1, 2, 5, 7)  # left, top, right, bottom; the list has the top first
    assert (second['face_id'], second['face_confidence']) == (1, 20)
    assert dataset[2]['img_path'].endswith('p 2.jpg')
    assert sum(dataset.published_counts()) == 91793


def test_failures(tmp_path):
    check_common_failures(ExpW, make_tree(tmp_path / 'expw'))


def test_all_bad_lines_are_reported(tmp_path):
    bad = ['b.jpg 0 1 1 4 4 60', 'b.jpg x 1 1 4 4 60 3', 'b.jpg 0 1 1 nan 4 60 3', 'b.jpg 0 1 1 4 4 60 7']
    bad += ['b.jpg 0 1 4 4 5 60 3', 'b.jpg 0 4 1 5 4 60 3']
    with pytest.raises(ValueError) as error:
        ExpW(make_tree(tmp_path, [*LINES, '', *bad]))
    message = str(error.value)
    assert '3 malformed lines (expected such as' in message
    assert "line 9 'b.jpg 0 1 1 4 4 60'" in message
    assert "1 labels that are not in 0..6: line 12 'b.jpg 0 1 1 4 4 60 7'" in message
    assert '2 face boxes without area (the order is top, left, right, bottom): line 13 ' in message
