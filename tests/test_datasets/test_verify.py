import json
import os
import shutil

import cv2
import numpy as np
import pytest
from mmengine.dataset import BaseDataset
from nested_data import KINDS, nested

from mmfer.datasets import FERDataset, FolderDataset, SynthFER
from mmfer.datasets.verify import (
    Scan,
    build_dataset,
    distinct_settings,
    find_duplicates,
    split_settings,
    training_images_with_copies,
    verify,
)

CLASSES = ('happiness', 'sadness')


def picture(seed):
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return cv2.resize(noise, (64, 64), interpolation=cv2.INTER_CUBIC)


def write(path, img, *params):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, img, params)[1].tobytes())
    return path


@pytest.fixture
def tree(tmp_path):
    """Ten different pictures in train and four in test; the tests plant problems."""
    for i in range(14):
        split, label = ('train', 'test')[i >= 10], ('happy', 'sad')[i % 2]
        write(tmp_path / split / label / f'{i}.png', picture(i))
    return tmp_path


def config(root, **options):
    def loader(split):
        return dict(dataset=dict(type=FolderDataset, data_root=str(root), split=split, classes=CLASSES, **options))

    return dict(train_dataloader=loader('train'), val_dataloader=loader('test'), test_dataloader=loader('test'))


def names(group):
    return [os.path.basename(image['file']) for image in group['images']]


def counts(report, of, within):
    row = next(r for r in report['duplicates']['counts'] if (r['images_of'][0], r['copy_in'][0]) == (of, within))
    return row['images'], row['exact'], row['near'], row['other_label']


def test_clean_data_sets(tree):
    report = verify(config(tree), workers=2)
    assert report['problems'] == []
    train, test = report['data_sets']
    assert (train['splits'], test['splits']) == (['train'], ['val', 'test'])  # val and test are the same
    assert [(row['name'], row['images']) for row in train['classes']] == [('happiness', 5), ('sadness', 5)]
    assert train['total'] == dict(name='total', images=10, published=None, difference=None)
    assert train['sizes'] == dict(width=dict(min=64, median=64, max=64), height=dict(min=64, median=64, max=64))
    assert report['duplicates']['groups'] == []
    assert len(report['duplicates']['counts']) == 4
    json.dumps(report)


def test_exact_near_and_mirrored_copies(tree):
    shutil.copy(tree / 'train/happy/0.png', tree / 'test/happy/same_file.png')
    write(tree / 'test/sad/same_pixels.png', picture(2), cv2.IMWRITE_PNG_COMPRESSION, 9)
    write(tree / 'test/happy/encoded.jpg', picture(4), cv2.IMWRITE_JPEG_QUALITY, 60)
    write(tree / 'test/sad/smaller.png', cv2.resize(picture(1), (40, 40), interpolation=cv2.INTER_AREA))
    write(tree / 'train/happy/darker.png', (picture(10) * 0.7).astype(np.uint8))
    write(tree / 'train/sad/mirrored.png', picture(6)[:, ::-1])
    settings = config(tree)
    train = settings['train_dataloader']
    train['dataset'] = dict(type='MapClasses', dataset=train['dataset'], classes=('Happy', 'sad'))  # the same classes
    report = verify(settings)
    groups = {tuple(sorted(names(group))): group for group in report['duplicates']['groups']}
    assert {key: group['kind'] for key, group in groups.items()} == {
        ('0.png', 'same_file.png'): 'exact',
        ('2.png', 'same_pixels.png'): 'exact',
        ('4.png', 'encoded.jpg'): 'near',
        ('1.png', 'smaller.png'): 'near',
        ('10.png', 'darker.png'): 'near',
    }
    assert all(group['across_splits'] for group in groups.values())
    assert [key for key, group in groups.items() if group['labels_disagree']] == [('2.png', 'same_pixels.png')]
    image = groups['2.png', 'same_pixels.png']['images'][1]
    assert image['split'] == ['val', 'test']
    assert image['label'] == 'sadness'
    assert image['file'] == str(tree / 'test/sad/same_pixels.png')
    assert counts(report, 'train', 'val') == counts(report, 'val', 'train') == (5, 2, 3, 1)
    assert counts(report, 'train', 'train') == counts(report, 'val', 'val') == (0, 0, 0, 0)
    text = '5 images of val and test have a copy in train: 2 exact, 3 near, 0 changed, 1 with a copy of another label'
    assert text in report['problems']


def test_changed_copies_are_found_across_splits_alone_and_listed(tree):
    write(tree / 'test/sad/mirrored.png', picture(3)[:, ::-1])
    write(tree / 'test/happy/cropped.png', cv2.resize(picture(4)[5:61, 2:58], (64, 64)))
    write(tree / 'train/sad/mirrored_6.png', picture(6)[:, ::-1])
    report = verify(config(tree))
    assert sorted(sorted(names(group)) for group in report['duplicates']['groups']) == [
        ['3.png', 'mirrored.png'],
        ['4.png', 'cropped.png'],
    ]
    assert {group['kind'] for group in report['duplicates']['groups']} == {'changed'}
    row = report['duplicates']['counts'][1]
    assert (row['copy_in'], row['images'], row['exact'], row['near'], row['changed']) == (['val', 'test'], 2, 0, 0, 2)
    assert training_images_with_copies(report) == ['3.png', '4.png']
    assert verify(config(tree), changed=False)['duplicates']['groups'] == []


def test_changed_copies_of_an_image_that_both_splits_have(tree):
    for split in ('train', 'test'):
        write(tree / split / 'sad/mirrored.png', picture(3)[:, ::-1])
    assert training_images_with_copies(verify(config(tree))) == ['3.png', 'mirrored.png']


def test_copies_within_a_split_make_one_group(tree):
    for name in ('a', 'b'):
        shutil.copy(tree / 'train/happy/0.png', tree / f'train/happy/{name}.png')
    write(tree / 'train/sad/c.jpg', picture(0), cv2.IMWRITE_JPEG_QUALITY, 70)
    report = verify(config(tree), splits=['train'])
    (group,) = report['duplicates']['groups']
    assert sorted(names(group)) == ['0.png', 'a.png', 'b.png', 'c.jpg']
    assert {name: image['pixels'] for name, image in zip(names(group), group['images'])}['c.jpg'] not in {
        image['pixels'] for image in group['images'][:3]
    }
    assert (group['kind'], group['across_splits'], group['labels_disagree']) == ('near', False, True)
    assert counts(report, 'train', 'train') == (4, 3, 1, 4)


def test_images_without_detail_are_duplicates_by_their_pixels_only(tree):
    ramp = np.tile(np.arange(64, dtype=np.uint8), (64, 1))
    for name, img in dict(dark=ramp * 0 + 10, light=ramp * 0 + 240, light2=ramp * 0 + 240).items():
        write(tree / f'train/happy/{name}.png', img)
    for name, img in dict(ramp=ramp, ramp2=ramp * 2, ramp3=ramp + 90).items():
        write(tree / f'train/sad/{name}.png', img)
    noise = np.random.default_rng(0)
    for i in range(6):  # next to nothing in them
        write(tree / f'train/sad/noise{i}.png', (100 + noise.normal(0, 1, (64, 64))).round().astype(np.uint8))
    report = verify(config(tree), ['train'])
    assert [sorted(names(group)) for group in report['duplicates']['groups']] == [['light.png', 'light2.png']]
    blank = [os.path.basename(entry['file']) for entry in report['data_sets'][0]['blank']]
    assert sorted(blank) == ['dark.png', 'light.png', 'light2.png']
    assert 'train: 3 blank images' in report['problems']


def test_unreadable_truncated_and_tiny_images_are_named(tree):
    (tree / 'train/happy/text.png').write_text('<html>')
    (tree / 'train/happy/empty.png').touch()
    for suffix in ('.png', '.jpg'):
        data = cv2.imencode(suffix, picture(50))[1].tobytes()
        (tree / f'test/sad/cut{suffix}').write_bytes(data[: len(data) // 2])
    write(tree / 'test/sad/tiny.png', picture(51)[:19])
    write(tree / 'test/sad/small.png', picture(52)[:20])
    for options in (dict(), dict(unreadable='skip')):  # all are reported, whatever training would do
        report = verify(config(tree, **options))
        train, test = report['data_sets']
        assert sorted(os.path.basename(e['file']) for e in train['unreadable']) == ['empty.png', 'text.png']
        assert sorted(os.path.basename(e['file']) for e in test['unreadable']) == ['cut.jpg', 'cut.png']
        assert all(e['file'] in e['reason'] for e in train['unreadable'] + test['unreadable'])
        assert [(os.path.basename(e['file']), e['width'], e['height']) for e in test['tiny']] == [('tiny.png', 64, 19)]
        assert test['sizes']['height']['min'] == 19
        assert report['problems'] == [
            'train: 2 unreadable images',
            'val and test: 2 unreadable images',
            'val and test: 1 tiny images',
        ]
    assert len(verify(config(tree), min_size=65)['data_sets'][0]['tiny']) == 10


class Published(FolderDataset):
    PUBLISHED_COUNTS = dict(train=(5, 7), test=9)


def test_published_counts(tree):
    settings = config(tree)
    for loader in settings.values():
        loader['dataset']['type'] = Published
    train, test = verify(settings)['data_sets']
    assert [row['difference'] for row in train['classes']] == [0, -2]
    assert train['total'] == dict(name='total', images=10, published=12, difference=-2)
    assert [row['published'] for row in test['classes']] == [None, None]
    assert test['total']['difference'] == -5
    problems = verify(settings)['problems']
    assert problems[0] == 'train: counts differ from the published ones: sadness, total'
    assert problems[1] == 'val and test: counts differ from the published ones: total'
    settings['train_dataloader']['dataset']['indices'] = [0, 9]  # a part on purpose
    assert verify(settings, ['train'])['data_sets'][0]['total']['published'] is None
    settings['train_dataloader']['dataset'] = dict(
        type='NoisyLabels', rate=0.0, dataset=settings['train_dataloader']['dataset']
    )
    assert verify(settings, ['train'])['data_sets'][0]['total']['published'] is None


@pytest.mark.parametrize('kind', KINDS)
def test_joined_data(kind, tree):
    """Each part is looked at for itself, and duplicates are found across them."""
    shutil.copy(tree / 'train/happy/0.png', tree / 'test/sad/copy.png')
    settings = config(tree)
    parts = [settings[name]['dataset'] for name in ('train_dataloader', 'val_dataloader')]
    report = verify(
        dict(train_dataloader=dict(dataset=nested(kind, *parts)), val_dataloader=settings['val_dataloader'])
    )
    found = [(part['splits'], part['total']['images']) for part in report['data_sets']]
    if kind == 'KFold':  # whose samples are not those of the parts
        assert [names for names, _ in found] == [['train'], ['val']]
    else:
        assert found == [(['train part 1'], 10), (['train part 2', 'val'], 5)]
        assert 'train part 2 and val: are the same data set' in report['problems']
        assert counts(report, 'train part 1', 'train part 2') == (1, 1, 0, 1)
        assert report['data_sets'][0]['classes'][0] == dict(name='happiness', images=5, published=None, difference=None)


class Boxes(FERDataset):
    METAINFO = dict(classes=CLASSES)

    def __init__(self, file, boxes, **options):
        self.file, self.boxes = file, boxes
        super().__init__(**options)

    def load_data_list(self):
        return [dict(img_path=self.file, gt_label=i % 2, face_box=box) for i, box in enumerate(self.boxes)]


def test_faces_that_share_a_file_are_told_apart_by_their_boxes(tmp_path):
    file = str(write(tmp_path / 'group.png', np.hstack([picture(0), picture(1)])))
    boxes = [(-5, 0, 64, 64), (64.2, 0, 128, 70), (64, 0, 128, 64), (300, 0, 310, 9)]
    scan = Scan(['train'], Boxes(file, boxes))
    assert scan.sizes.tolist() == [[64, 64], [64, 64], [64, 64], [0, 0]]
    assert list(scan.errors) == [3]
    assert 'face_box (300, 0, 310, 9) holds no pixel' in scan.errors[3]
    assert [group[:, 1].tolist() for group in find_duplicates([scan], 3)] == [[1, 2]]


def test_the_same_data_for_training_and_validation_is_a_problem(tree):
    settings = config(tree)
    settings['val_dataloader'] = dict(dataset=dict(settings['train_dataloader']['dataset'], test_mode=True))
    assert verify(settings)['problems'] == ['train and val: are the same data set']
    assert [group for group, _ in distinct_settings(settings)] == [['train', 'val'], ['test']]


def test_configs_without_data(tree):
    with pytest.raises(ValueError, match='no test_dataloader with a dataset; it has train'):
        verify(dict(train_dataloader=config(tree)['train_dataloader']), ['test'])
    with pytest.raises(ValueError, match='it has none'):
        verify(dict())
    assert split_settings(config(tree), 'val')['split'] == 'test'


def test_data_sets_of_another_kind_and_missing_files(tmp_path):
    with pytest.raises(ValueError, match='BaseDataset is no data set of mmfer: it lacks classes'):
        build_dataset(dict(type=BaseDataset, lazy_init=True))
    with pytest.raises(FileNotFoundError, match='absent'):
        verify(config(tmp_path / 'absent'))
    assert isinstance(build_dataset(dict(type='SynthFER', num_samples=3)), SynthFER)
