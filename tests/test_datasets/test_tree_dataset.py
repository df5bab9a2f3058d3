import pytest
from dataset_trees import write_images

from mmfer.datasets.tree_dataset import TreeDataset, class_samples, find_below


class Attention(TreeDataset):
    METAINFO = dict(classes=('bored', 'engaged', 'happiness'))

    def load_data_list(self):
        return class_samples(self, self.img_prefix)


def test_classes_of_any_name(tmp_path):
    root = write_images(tmp_path, 'Bored/x.png', 'engaged/x.png', 'Joy/x.png', 'Joy/y.png')
    assert Attention(root).class_counts() == dict(bored=1, engaged=1, happiness=2)
    write_images(tmp_path, 'sad/x.png')
    with pytest.raises(
        ValueError, match=r'1 folders that are no class of Attention \(bored, engaged, happiness\): sad'
    ):
        Attention(root)


@pytest.mark.parametrize(
    ('candidates', 'found'),
    [
        (('a/b', 'Train'), 'Train'),
        (('IMAGE/Origin', 'train'), 'image/origin'),
        (('train/x.png/y', 'train/x.png'), 'Train/x.png'),
        (('a', ''), ''),
        (('a', 'b'), 'a'),
    ],
)
def test_find_below(tmp_path, candidates, found):
    root = write_images(tmp_path, 'Train/x.png', 'image/origin/x.png')
    assert find_below(root, *candidates) == found
    assert find_below(f'{root}_absent', *candidates) == candidates[0]


def test_find_below_prefers_the_exact_case_and_takes_a_default(tmp_path):
    root = write_images(tmp_path, 'Train/x.png', 'train/x.png')
    if len(list(tmp_path.iterdir())) == 2:  # not on file systems that know no case
        assert find_below(root, 'train') == 'train'
        assert find_below(root, 'TRAIN') == 'Train'
    assert find_below(root, 'a', 'b', default='c') == 'c'
