import json
import pickle

import cv2
import numpy as np
import pytest

from mmfer.datasets import FER2013, RAFDB, FERDataset, FolderDataset, SynthFER
from mmfer.registry import DATASETS

CLASSES = ('neutral', 'happiness', 'anger')


def write_list(root, samples, files=None):
    """A list in MMEngine's format, and image files for the samples (or for `files`)."""
    (root / 'imgs').mkdir(parents=True, exist_ok=True)
    for name in [s['img_path'] for s in samples] if files is None else files:
        cv2.imwrite(str(root / 'imgs' / name), np.zeros((4, 4, 3), np.uint8))
    (root / 'list.json').write_text(json.dumps(dict(metainfo=dict(classes=CLASSES), data_list=samples)))
    return dict(data_root=str(root), ann_file='list.json', img_prefix='imgs')


def samples(*labels):
    return [dict(img_path=f'{i}.png', gt_label=label) for i, label in enumerate(labels)]


class Loose(FERDataset):
    """A data set whose samples the test gives."""

    METAINFO = dict(classes=CLASSES)
    SPLITS = ('train', 'test')

    def __init__(self, infos, problems=(), **kwargs):
        self.infos, self.problems = infos, problems
        super().__init__(**kwargs)

    def load_data_list(self):
        for kind, text in self.problems:
            self.report(kind, text)
        return self.infos


def test_reads_mmengine_lists(tmp_path):
    cfg = write_list(tmp_path, samples(0, 2, 2, 1))
    dataset = DATASETS.build(dict(type='FERDataset', **cfg))
    assert len(dataset) == 4
    assert dataset.classes == CLASSES
    assert dataset.num_classes == 3
    assert dataset.class_counts() == dict(neutral=1, happiness=1, anger=2)
    assert dataset.get_gt_labels().tolist() == [0, 2, 2, 1]
    assert dataset.get_cat_ids(1) == [2]
    info = dataset[3]
    assert info['gt_label'] == 1
    assert info['sample_idx'] == 3
    assert info['img_path'] == str(tmp_path / 'imgs' / '3.png')
    assert '4 samples' in repr(dataset)


@pytest.mark.parametrize('serialize', [True, False])
def test_subset_indices_and_pickling(tmp_path, serialize):
    cfg = write_list(tmp_path, samples(0, 2, 2, 1))
    dataset = FERDataset(**cfg, serialize_data=serialize, indices=[3, 0])
    assert dataset.get_gt_labels().tolist() == [1, 0]
    dataset = FERDataset(**cfg, serialize_data=serialize)
    assert dataset.get_subset([1, 2]).class_counts() == dict(neutral=0, happiness=0, anger=2)
    assert pickle.loads(pickle.dumps(dataset)).get_gt_labels().tolist() == [0, 2, 2, 1]


def test_lazy_init_reads_nothing_before_it_is_needed(tmp_path):
    dataset = FERDataset(data_root=str(tmp_path / 'absent'), ann_file='list.json', lazy_init=True)
    assert 'not read yet' in repr(dataset)
    with pytest.raises(FileNotFoundError, match='absent'):
        len(dataset)


def test_missing_files_and_bad_labels_come_in_one_error(tmp_path):
    entries = samples(*[0] * 30, 3, -1, 1.5, None)
    cfg = write_list(tmp_path, entries, files=[f'{i}.png' for i in range(30, 34)])
    with pytest.raises(FileNotFoundError) as error:
        FERDataset(**cfg)
    text = str(error.value)
    assert '34 entries' in text
    assert '30 image files that do not exist' in text
    assert '(20 more)' in text
    assert '9.png' in text
    assert '10.png' not in text
    assert '4 bad labels' in text
    assert '30.png (gt_label 3 is not in 0..2)' in text
    assert 'gt_label None' in text


def test_missing_source_names_path_tree_page_and_option(tmp_path):
    class Published(FERDataset):
        EXPECTED_TREE = '  data_root/list.json'
        HOMEPAGE = 'https://example.org/faces'

    (tmp_path / 'other.txt').touch()
    for kwargs, wanted in (
        (dict(data_root=str(tmp_path / 'no' / 'where')), 'where'),
        (dict(data_root=str(tmp_path), ann_file='list.json'), 'list.json'),
        (dict(data_root=str(tmp_path), img_prefix='imgs'), 'imgs'),
    ):
        with pytest.raises(FileNotFoundError) as error:
            Published(**kwargs)
        text = str(error.value)
        assert wanted in text.splitlines()[0]
        assert 'other.txt' in text  # what was found instead
        assert 'data_root/list.json' in text
        assert 'https://example.org/faces' in text
        assert '--cfg-options' in text


def test_votes_of_an_annotation_file(tmp_path):
    voted = [dict(info, votes=votes) for info, votes in zip(samples(0, 1, 2), ([3, 0, 1], [0, 1, 0], [0.0, 1.0, 4.0]))]
    votes = np.stack(FERDataset(**write_list(tmp_path, voted)).column('votes'))
    assert votes.dtype == np.int64
    assert votes.tolist() == [[3, 0, 1], [0, 1, 0], [0, 1, 4]]
    voted[1]['votes'], voted[2]['votes'] = [0.5, 0.5, 0], [1, 4]
    with pytest.raises(ValueError, match=r'list\.json.*\n  2 bad labels: .*1\.png \(votes \[0.5, 0.5, 0\] are not '):
        FERDataset(**write_list(tmp_path, voted))


def test_a_list_in_another_label_order_is_refused(tmp_path):
    class Fixed(FERDataset):
        METAINFO = dict(classes=CLASSES[::-1])

    with pytest.raises(ValueError, match='labels are those of neutral, happiness, anger, expected anger'):
        Fixed(**write_list(tmp_path, samples(0, 1, 2)))


def test_annotation_files_that_cannot_be_read(tmp_path):
    (tmp_path / 'list.json').write_text('{"metainfo": ')
    with pytest.raises(ValueError, match=r'cannot read the annotation file .*list\.json'):
        FERDataset(ann_file=str(tmp_path / 'list.json'))
    (tmp_path / 'list.json').write_text('{"metainfo": {}}')
    with pytest.raises(ValueError, match=r"list\.json: it has no 'data_list'"):
        FERDataset(ann_file=str(tmp_path / 'list.json'))
    with pytest.raises(ValueError, match=r"list\.json: could not convert string to float: 'x'"):
        FERDataset(**write_list(tmp_path, [dict(info, gt_score=['x', 1, 0]) for info in samples(0)]))
    (tmp_path / 'list.pkl').write_bytes(pickle.dumps(dict(metainfo={}, data_list=[])))
    with pytest.raises(ValueError, match=r'must be a \.json file'):
        FERDataset(ann_file=str(tmp_path / 'list.pkl'))


def test_problems_noted_while_reading_are_raised_with_the_rest():
    problems = [('malformed lines', f'line {i}') for i in range(12)]
    with pytest.raises(ValueError, match=r'12 malformed lines: line 0, .*line 9, \.\.\. \(2 more\)\n  1 bad labels'):
        Loose([dict(gt_label=7)], problems, split='train')
    with pytest.raises(ValueError, match='12 malformed lines'):
        Loose([dict(gt_label=0)], problems, split='train', validate=False)


def test_a_class_without_samples_is_an_error_unless_allowed(tmp_path, caplog):
    cfg = write_list(tmp_path, samples(0, 2))
    with pytest.raises(ValueError, match=r'no samples of happiness in .*list\.json. allow_empty_classes=True'):
        FERDataset(**cfg)
    assert FERDataset(**cfg, allow_empty_classes=True).class_counts() == dict(neutral=1, happiness=0, anger=1)
    assert len(FERDataset(**cfg, validate=False)) == 2


@pytest.mark.parametrize('serialize', [True, False])
def test_unreadable_images_are_left_out_and_counted(tmp_path, serialize):
    cfg = write_list(tmp_path, samples(0, 1, 2, 2))
    (tmp_path / 'imgs' / '2.png').write_bytes(b'no image')
    assert len(FERDataset(**cfg)) == 4
    dataset = FERDataset(**cfg, unreadable='skip', serialize_data=serialize)
    assert dataset.get_gt_labels().tolist() == [0, 1, 2]
    assert dataset.skipped == [str(tmp_path / 'imgs' / '2.png')]
    assert dataset.metainfo['protocol'] == 'FERDataset, 1 unreadable images left out'
    (tmp_path / 'imgs' / '1.png').write_bytes(b'no image')
    with pytest.raises(ValueError, match='no samples of happiness'):
        FERDataset(**cfg, unreadable='skip')
    for i in range(4):
        (tmp_path / 'imgs' / f'{i}.png').write_bytes(b'no image')
    with pytest.raises(ValueError, match='none of the images'):
        FERDataset(**cfg, unreadable='skip')


@pytest.mark.parametrize(
    ('indices', 'named'), [(2, 'the first 2 samples'), (-1, 'the last 1 samples'), ([0, 3], '2 chosen samples')]
)
def test_the_protocol_names_a_part(tmp_path, indices, named):
    assert FERDataset(**write_list(tmp_path, samples(0, 1, 2, 2)), indices=indices).protocol == f'FERDataset, {named}'


@pytest.mark.parametrize('serialize', [True, False])
def test_relabel_keeps_the_clean_label_and_drops_soft_ones(serialize):
    infos = [dict(gt_label=i, gt_score=np.eye(3, dtype=np.float32)[i], votes=np.eye(3)[i], name=i) for i in range(3)]
    dataset = Loose(infos, split='train', serialize_data=serialize)
    dataset.relabel([2, 1, 1])
    dataset.relabel([2, 1, 0])
    assert dataset.get_gt_labels().tolist() == [2, 1, 0]
    assert dataset.column('clean_label') == [0, 1, 2]
    assert dataset.column('gt_score') == dataset.column('votes') == [None] * 3
    assert dataset[2]['sample_idx'] == 2
    for labels in ([0, 1], [0, 1, 3], [-1, 0, 0], [0.0, 1.9, 0.0]):
        with pytest.raises(ValueError, match='relabel needs 3 integers'):
            dataset.relabel(labels)


def test_entry_reads_nothing(tmp_path):
    class Drawn(Loose):
        def get_data_info(self, idx):
            raise AssertionError

    dataset = Drawn([dict(gt_label=i) for i in range(3)], split='test')
    assert dataset.entry(1)['gt_label'] == 1
    assert dataset.class_counts() == dict(neutral=1, happiness=1, anger=1)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="split='trian' is not one of 'train', 'test'"):
        Loose([], split='trian')
    with pytest.raises(ValueError, match='cannot change the classes'):
        Loose([], split='train', metainfo=dict(classes=CLASSES[::-1]))
    for cls in (FERDataset, RAFDB, FER2013):
        with pytest.raises(TypeError, match='ann_fil'):
            cls(data_root='x', ann_fil='x')
    with pytest.raises(TypeError, match='sizes'):
        SynthFER(sizes=32)
    with pytest.raises(TypeError, match='ann_fil'):
        FolderDataset('x', classes=('fear', 'anger'), ann_fil='x')
    for indices in (0, []):
        with pytest.raises(ValueError, match='selects no samples'):
            Loose([], split='train', indices=indices)
    with pytest.raises(ValueError, match="unreadable='ignore' is not one of error, skip"):
        Loose([], split='train', unreadable='ignore')


def test_a_broken_link_is_a_missing_file(tmp_path):
    cfg = write_list(tmp_path, samples(0, 1, 2))
    (tmp_path / 'imgs' / '1.png').rename(tmp_path / 'moved.png')
    (tmp_path / 'imgs' / '1.png').symlink_to(tmp_path / 'moved.png')
    assert len(FERDataset(**cfg)) == 3
    (tmp_path / 'moved.png').unlink()
    with pytest.raises(FileNotFoundError, match=r'1 image files that do not exist: .*1\.png'):
        FERDataset(**cfg)
