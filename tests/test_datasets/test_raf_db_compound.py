from dataset_trees import raf_tree

from mmfer.datasets.raf_db_compound import RAFDBCompound
from mmfer.registry import DATASETS

LINES = [f'train_{i:04d}.jpg {i}' for i in range(1, 12)] + [f'test_{i:04d}.jpg {12 - i}' for i in range(1, 12)]


def test_published_layout(tmp_path):
    root = raf_tree(tmp_path / 'raf', LINES)
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
