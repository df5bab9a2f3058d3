import pickle

import numpy as np
import pytest
from mmengine.dataset import BaseDataset

from mmfer.datasets.entry_list import label_problems, missing_files, serialize


def test_missing_files_of_many_folders(tmp_path, monkeypatch):
    for name in ('a/x.png', 'a/y.png', 'b/x.png', 'z.png'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    there = [str(tmp_path / name) for name in ('a/x.png', 'b/x.png', 'a/y.png', 'z.png')] + ['s3://bucket/no.png']
    gone = [str(tmp_path / name) for name in ('a/z.png', 'b/y.png', 'c/x.png', 'z.png/x.png')]
    assert missing_files(there) == []
    assert missing_files([*gone[:2], *there, *gone[2:]]) == gone
    monkeypatch.chdir(tmp_path)
    assert missing_files(['a/x.png', 'z.png', 'y.png', './z.png', '/nothing.png']) == ['y.png', '/nothing.png']


@pytest.mark.parametrize('label', [-1, 3, True, 1.0, None, '1'])
def test_a_bad_label_among_good_ones(label):
    entries = [dict(img_path=f'{i}.png', gt_label=i % 3) for i in range(9)]
    assert label_problems(entries, 3) == []
    entries[4]['gt_label'] = label
    problems = label_problems(entries, 3)
    assert len(problems) == 1
    assert problems[0].startswith(f'4.png (gt_label {label!r}' if label is not None else '4.png (gt_label None')


@pytest.mark.parametrize(
    ('score', 'problem'),
    [
        (np.ones(2), 'shape (2,)'),
        (np.array([1, np.nan, 0]), 'not finite'),
        (np.array([1, -1, 1]), 'negative'),
        (np.zeros(3), 'all zero'),
        ([1.0, 0.0], 'shape (2,)'),
    ],
)
def test_a_bad_score_among_good_ones(score, problem):
    entries = [dict(gt_label=0, gt_score=np.ones(3, np.float32)) for _ in range(5)] + [dict(gt_label=1)]
    assert label_problems(entries, 3) == []
    entries[3]['gt_score'] = score
    assert [problem in text for text in label_problems(entries, 3)] == [True]


def test_numpy_labels_and_lists_as_scores_are_fine():
    assert label_problems([dict(gt_label=np.int64(2), gt_score=[0, 0.5, 0.5])], 3) == []
    assert label_problems([], 3) == []


def test_entries_are_kept_as_mmengine_keeps_them():
    entries = [dict(img_path='ä' * i, gt_label=i) for i in range(5)]
    data, ends = serialize(entries)
    theirs = BaseDataset(lazy_init=True)
    theirs.data_list = list(entries)
    their_data, their_ends = theirs._serialize_data()
    np.testing.assert_array_equal(data, their_data)
    np.testing.assert_array_equal(ends, their_ends)
    assert pickle.loads(data[ends[1] : ends[2]].tobytes()) == entries[2]
    assert serialize([])[1].tolist() == []
