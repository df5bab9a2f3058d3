import cv2
import numpy as np
import pytest

from mmfer.datasets import RAFDB, FERDataset, FolderDataset
from mmfer.datasets.wrappers import ListSubset, MapClasses, NoisyLabels
from mmfer.datasets.wrappers.list_subset import RAN_LISTS, read_names

HASHES = [f'{i:056x}' for i in range(6)]


class Paths(FERDataset):
    """Samples with the paths that the test gives; labels 0, 1, 0, 1, ..."""

    METAINFO = dict(classes=('neutral', 'happiness'))

    def __init__(self, paths, key='img_path', **options):
        self.paths, self.key = paths, key
        super().__init__(validate=False, **options)

    def load_data_list(self):
        return [{self.key: path, 'gt_label': i % 2} for i, path in enumerate(self.paths)]


@pytest.fixture
def subset(tmp_path):
    """Function: data set, lines of a list, options -> positions of the samples kept."""

    def keep(dataset, lines, **options):
        (tmp_path / 'list.txt').write_text('\n'.join(lines) + '\n')
        found = ListSubset(dataset, str(tmp_path / 'list.txt'), **options)
        key = getattr(dataset, 'key', 'img_path')
        return [dataset.column(key).index(path) for path in found.column(key)]

    return keep


@pytest.fixture
def raf(tmp_path):
    (tmp_path / 'EmoLabel').mkdir()
    lines = [f'test_{i:04d}.jpg {i % 7 + 1}' for i in range(10)]
    (tmp_path / 'EmoLabel' / 'list_patition_label.txt').write_text('\n'.join(lines))
    return RAFDB(str(tmp_path), split='test', validate=False)


def logs(monkeypatch):
    logged = []
    monkeypatch.setattr('mmfer.datasets.wrappers.list_subset.print_log', lambda text, **_: logged.append(text))
    return logged


def test_forms_of_the_raf_db_lists(raf, subset):
    assert subset(raf, ['test_0008_aligned 3 4', 'test_0003_aligned 4 3']) == [3, 8]
    assert subset(raf, ['0/test_0004_aligned.jpg', '4/test_0006_aligned.jpg']) == [4, 6]
    assert subset(raf, ['test_0001', 'test_0002.jpg,5', 'Image/aligned/test_0005_aligned.jpg']) == [1, 2, 5]


def test_forms_of_the_fer_plus_lists(subset):
    png = Paths([f'data/FER2013Test/fer003465{i}.png' for i in range(4)])
    rows = Paths([f'fer003465{i}.png' for i in range(4)], key='image_name')
    for dataset in (png, rows):
        assert subset(dataset, ['1_fer0034652.png 8 0', '3_fer0034651.png 8 1']) == [1, 2]
        assert subset(dataset, ['0/fer0034653.jpg', '1/fer0034650.jpg']) == [0, 3]


def test_forms_of_the_affect_net_lists(subset):
    dataset = Paths([f'Manually_Annotated_Images/{i}/{name}.JPG' for i, name in enumerate(HASHES)] + ['1/8.jpg'])
    assert subset(dataset, [f'val/0/{HASHES[1]}/', f'val/7/{HASHES[3]}/']) == [1, 3]
    assert subset(dataset, [f'0/{HASHES[2]}.jpg', f'5/{HASHES[0]}.jpg']) == [0, 2]
    assert subset(dataset, [f'4/{HASHES[4]}/8.jpg', f'3/{HASHES[5]}/8.jpg']) == [4, 5]


def test_folders_tell_equal_names_apart(tmp_path, subset):
    for folder in ('happy', 'sad'):
        (tmp_path / 'tree' / folder).mkdir(parents=True)
        for i in range(3):
            cv2.imwrite(str(tmp_path / 'tree' / folder / f'{i}.png'), np.zeros((4, 4, 3), np.uint8))
    dataset = FolderDataset(str(tmp_path / 'tree'))
    assert subset(dataset, ['happy/1.png', 'sad/2.png']) == [1, 5]
    assert subset(dataset, ['sadness/0', 'joy/0']) == [0, 3]  # by the class
    lines = ['happy/1.png', 'sad/2.png']
    for other in (NoisyLabels(dataset, 1.0), MapClasses(dataset, ('any',), dict(happiness='any', sadness='any'))):
        assert subset(other, lines) == [1, 5]
    with pytest.raises(ValueError, match='2 names that fit several samples: 1.png, x/2'):
        subset(dataset, ['1.png', 'x/2'])
    with pytest.raises(ValueError, match='1 names that are not in the data set .*: fear/1'):
        subset(dataset, ['fear/1', 'happy/1'])


def test_protocol_and_name(raf, tmp_path):
    path = tmp_path / 'hard_ones.txt'
    path.write_text('# mine\n\ntest_0001\n')
    assert ListSubset(raf, str(path)).protocol == 'RAFDB test, subset hard_ones'
    named = ListSubset(raf, str(path), name='glasses')
    assert named.protocol == 'RAFDB test, subset glasses'
    assert named.published_counts() is None


def test_published_sizes_are_compared(tmp_path, monkeypatch):
    logged = logs(monkeypatch)
    path = tmp_path / 'list.txt'
    dataset = Paths([f'{i}.jpg' for i in range(800)])
    path.write_text('\n'.join(map(str, range(735))))
    subset = ListSubset(dataset, str(path), name='raf_db_occlusion')
    assert len(subset) == subset.published_counts() == RAN_LISTS['raf_db_occlusion']
    assert not logged
    path.write_text('\n'.join(map(str, range(700))))
    ListSubset(dataset, str(path), name='raf_db_occlusion')
    assert 'has 700 names, but raf_db_occlusion is published with 735' in logged[0]


def test_names_that_the_data_set_does_not_have(raf, subset, tmp_path, monkeypatch):
    logged = logs(monkeypatch)
    lines = [f'test_{i:04d}_aligned' for i in range(5, 30)]
    with pytest.raises(ValueError, match=r"20 names that are not in the data set \(missing='skip'") as error:
        subset(raf, lines)
    assert 'test_0019_aligned, ... (10 more)' in str(error.value)
    assert 'test_0020_aligned' not in str(error.value)
    assert 'RAFDB test' in str(error.value)
    assert subset(raf, lines, missing='skip') == [5, 6, 7, 8, 9]
    assert '20 of 25 names not in the data set are left out' in logged[0]
    dataset = ListSubset(raf, str(tmp_path / 'list.txt'), missing='skip')
    assert dataset.protocol == 'RAFDB test, subset list, 20 of 25 names not in the data set'
    with pytest.raises(ValueError, match='2 names that are not'):
        subset(raf, ['a', 'b'], missing='skip')


def test_names_more_than_once(raf, subset, tmp_path):
    lines = ['test_0002_aligned', 'test_0001', '3/test_0002.jpg']
    with pytest.raises(ValueError, match='2 names of samples named more than once .*: test_0002_aligned, 3/test_0002'):
        subset(raf, lines)
    assert subset(raf, lines, repeats='keep') == [1, 2, 2]
    assert subset(raf, lines, repeats='drop') == [1, 2]
    kept = ListSubset(raf, str(tmp_path / 'list.txt'), repeats='keep')
    assert kept.protocol.endswith('subset list, 1 repeated kept')
    assert [info['sample_idx'] for info in map(kept.get_data_info, range(3))] == [0, 1, 2]


def test_bad_lists(raf, subset, tmp_path):
    with pytest.raises(ValueError, match=r'the list .*list\.txt is empty'):
        subset(raf, ['', '# nothing'])
    with pytest.raises(FileNotFoundError, match=r'absent\.txt\n.*Challenge-condition-FER-dataset'):
        ListSubset(raf, str(tmp_path / 'absent.txt'))
    for option in ('missing', 'repeats'):
        with pytest.raises(ValueError, match=f"ListSubset: {option}='x'"):
            ListSubset(raf, str(tmp_path / 'list.txt'), **{option: 'x'})


def test_windows_line_ends_and_bom(tmp_path):
    (tmp_path / 'list.txt').write_bytes(b'\xef\xbb\xbftest_1 3 4\r\n\r\nb.jpg,2\r\n')
    assert read_names(str(tmp_path / 'list.txt')) == ['test_1', 'b.jpg']
