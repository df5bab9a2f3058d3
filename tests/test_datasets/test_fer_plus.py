from pathlib import Path

import cv2
import numpy as np
import pytest

from mmfer.datasets import LoadImageFromFile
from mmfer.datasets.fer_plus import FERPlus
from mmfer.datasets.fer_plus_rules import RULES
from mmfer.registry import DATASETS

REAL_LIST = Path(__file__).resolve().parents[2].parent / 'shared' / 'data' / 'fer2013new.csv'
HEADER = 'Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF'
USAGES = dict(train='Training', val='PublicTest', test='PrivateTest')
FOLDERS = dict(train='FER2013Train', val='FER2013Valid', test='FER2013Test')
IMAGES = np.random.RandomState(0).randint(0, 256, (18, 48, 48), dtype=np.uint8)


def votes_text(*votes):
    return ','.join(map(str, (*votes, *[0] * (10 - len(votes)))))


def list_rows():
    """Eight clear faces of training, one without a face, eight of the test, one of validation."""
    clear = [votes_text(*[0] * label, 9, *[0] * (8 - label), 1) for label in range(8)]
    rows = [f'Training,fer{i:07d}.png,{votes}' for i, votes in enumerate(clear)]
    rows.append(f'Training,,{votes_text(*[0] * 9, 10)}')
    rows += [f'PrivateTest,fer{i + 9:07d}.png,{votes}' for i, votes in enumerate(clear)]
    return [*rows, f'PublicTest,fer0000017.png,{votes_text(10)}']


def write_list(root, rows=None):
    root.mkdir(parents=True, exist_ok=True)
    path = root / 'fer2013new.csv'
    path.write_text('\n'.join([HEADER, *(list_rows() if rows is None else rows)]) + '\n')
    return str(path)


def write_pixels(root, usages=None):
    usages = [row.split(',')[0] for row in list_rows()] if usages is None else usages
    rows = [f'0,{" ".join(map(str, np.ravel(img)))},{usage}' for img, usage in zip(IMAGES, usages)]
    (root / 'fer2013.csv').write_text('\n'.join(['emotion,pixels,Usage', *rows]) + '\n')
    return str(root)


def write_images(root, place='{part}', skip=()):
    for row in list_rows():
        usage, name = row.split(',')[:2]
        part = FOLDERS[next(split for split, known in USAGES.items() if known == usage)]
        folder = root / place.format(part=part)
        folder.mkdir(parents=True, exist_ok=True)
        if name and name not in skip:
            cv2.imwrite(str(folder / name), IMAGES[int(name[3:10])])
    return str(root)


# ---- images -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize('place', ['{part}', 'data/{part}', 'Images/{part}', 'Images', '.'])
def test_png_files(tmp_path, place):
    write_list(tmp_path)
    root = write_images(tmp_path, place)
    train = DATASETS.build(dict(type='FERPlus', data_root=root))
    test = FERPlus(root, split='test')
    assert train.classes == ('neutral', 'happiness', 'surprise', 'sadness', 'anger', 'disgust', 'fear', 'contempt')
    for dataset, first in ((train, 0), (test, 9)):
        assert dataset.get_gt_labels().tolist() == list(range(8))
        for i, info in enumerate(dataset):
            assert info['image_name'] == Path(info['img_path']).name
            np.testing.assert_array_equal(LoadImageFromFile()(info)['img'][..., 0], IMAGES[first + i])
    assert test.protocol == 'FERPlus test, majority rule'


@pytest.mark.parametrize('prefix', ['faces', 'faces/FER2013Train'])
def test_folder_of_png_files_can_be_named(tmp_path, prefix):
    write_list(tmp_path)
    root = write_images(tmp_path, 'faces/{part}')
    write_pixels(tmp_path)
    dataset = FERPlus(root, img_prefix=prefix)
    assert dataset[3]['img_path'].endswith('faces/FER2013Train/fer0000003.png')
    with pytest.raises(FileNotFoundError, match='folder of the images not found: .*Images'):
        FERPlus(root, img_prefix='Images')


def test_folder_with_the_files_wins_over_one_without(tmp_path):
    write_list(tmp_path)
    (tmp_path / 'FER2013Train').mkdir()
    root = write_images(tmp_path, 'Images')
    assert FERPlus(root)[0]['img_path'].endswith('Images/fer0000000.png')


@pytest.mark.parametrize('pixels_file', [None, 'fer2013.csv', 'absolute'])
@pytest.mark.parametrize('serialize', [True, False])
def test_pixels_of_the_csv_file(tmp_path, pixels_file, serialize):
    write_list(tmp_path)
    root = write_pixels(tmp_path)
    if pixels_file == 'absolute':
        pixels_file = str(tmp_path / 'fer2013.csv')
    dataset = FERPlus(root, split='test', pixels_file=pixels_file, serialize_data=serialize)
    assert dataset.get_gt_labels().tolist() == list(range(8))
    for i, info in enumerate(dataset):
        np.testing.assert_array_equal(info['img'], IMAGES[9 + i])
        assert info['img_path'] == f'{tmp_path / "fer2013.csv"}#row={11 + i}'
        assert info['image_name'] == f'fer{9 + i:07d}.png'
    part = FERPlus(root, split='test', indices=[5, 2], serialize_data=serialize, allow_empty_classes=True)
    np.testing.assert_array_equal(part[1]['img'], IMAGES[11])
    assert LoadImageFromFile()(part[0])['img'].shape == (48, 48, 3)


def test_missing_images_are_reported(tmp_path):
    write_list(tmp_path)
    root = write_images(tmp_path, skip=('fer0000000.png', 'fer0000005.png'))
    with pytest.raises(FileNotFoundError) as error:
        FERPlus(root)
    assert '2 image files that do not exist' in str(error.value)
    assert 'FER2013Train/fer0000005.png' in str(error.value)
    with pytest.raises(FileNotFoundError, match='csv file of the pixels not found: .*other.csv'):
        FERPlus(root, pixels_file='other.csv')


def test_bad_rows_of_pixels_are_reported(tmp_path):
    write_list(tmp_path)
    usages = [row.split(',')[0] for row in list_rows()]
    usages[1] = 'PrivateTest'
    root = write_pixels(tmp_path, usages)
    lines = (tmp_path / 'fer2013.csv').read_text().splitlines()
    lines[3] = f'0,{"7 " * 2303},Training'
    lines[4] = f'0,{"300 " * 2304},Training'
    (tmp_path / 'fer2013.csv').write_text('\n'.join(lines[:-1]))
    with pytest.raises(ValueError, match='with problems') as error:
        FERPlus(root)
    text = str(error.value)
    assert '2 pixels that are not 2304 numbers in 0..255 in fer2013.csv: row 4 (2303 values), row 5' in text
    assert "differ from those of fer2013new.csv in fer2013.csv: row 3 ('PrivateTest' instead of 'Training')" in text
    assert f'numbers of rows that disagree: 17 in {tmp_path / "fer2013.csv"}, 18 in' in text


# ---- the list ---------------------------------------------------------------------------------------------------
def test_missing_root_and_list(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'folder of the data set not found: .*absent'):
        FERPlus(str(tmp_path / 'absent'))
    with pytest.raises(FileNotFoundError, match=r'list file not found: .*fer2013new\.csv') as error:
        FERPlus(str(tmp_path))
    assert 'FER2013Train/fer0000000.png' in str(error.value)
    assert 'github.com/microsoft/FERPlus' in str(error.value)


def test_all_bad_rows_are_reported(tmp_path):
    rows = [
        f'Training,a.png,{votes_text(10)}',
        f'Training,b.png,{votes_text(11)}',
        f'Training,c.png,{votes_text(0)}',
        f'Training,d.png,{votes_text("x", 10)}',
        f'Training,e.png,{votes_text(-1, 10)}',
        f'Train,f.png,{votes_text(10)}',
        f'PublicTest,g.png,{votes_text(10)},0',
    ]
    with pytest.raises(ValueError, match='with problems') as error:
        FERPlus(ann_file=write_list(tmp_path, rows), validate=False)
    text = str(error.value)
    assert '2 rows without 1 to 10 votes: row 3 (11 votes), row 4 (0 votes)' in text
    assert "2 malformed votes (expected integers): row 5 'x,10,0,0,0,0,0,0,0,0', row 6" in text
    assert "1 unknown usages (known: Training, PublicTest, PrivateTest): row 7 'Train'" in text
    assert '1 rows with missing or extra cells: row 8 (13 cells)' in text


def test_wrong_options(tmp_path):
    path = write_list(tmp_path)
    for options, match in (
        (dict(rule='plurality'), "rule='plurality' is not one of majority, probability"),
        (dict(split='valid'), "split='valid'"),
        (dict(votes_used=0), 'FERPlus: votes_used=0 must be an integer, 1 or more'),
        (dict(img_prefix='a', pixels_file='b.csv'), 'give img_prefix=.* or pixels_file='),
    ):
        with pytest.raises(ValueError, match=match):
            FERPlus(ann_file=path, **options)
    with pytest.raises(ValueError, match='ann_file'):
        FERPlus(ann_file='')
    with pytest.raises(TypeError, match='rules'):
        FERPlus(ann_file=path, rules='votes')


# ---- rules ------------------------------------------------------------------------------------------------------
def test_scores_of_the_rules(tmp_path):
    votes = (0, 0, 0, 5, 2, 1, 0, 0, 2)
    path = write_list(tmp_path, [f'Training,a.png,{votes_text(*votes)}'])
    expected = dict(
        majority=None,
        probability=np.array([0, 0, 0, 5, 2, 0, 0, 0]) / 7,
        crossentropy=np.array([0, 0, 0, 5, 2, 0, 0, 0]) / 7,
        argmax=np.array([0, 0, 0, 5, 2, 1, 0, 0]) / 8,
        votes=np.array([0, 0, 0, 5, 2, 1, 0, 0]) / 10,
    )
    expected['majority'] = expected['argmax']
    assert set(expected) == set(RULES)
    for rule, score in expected.items():
        entry = FERPlus(ann_file=path, rule=rule, validate=False).entry(0)
        assert entry['gt_label'] == 3
        assert entry['gt_score'].dtype == np.float32
        np.testing.assert_allclose(entry['gt_score'], score, rtol=1e-6)
        assert entry['votes'].dtype == np.int64
        assert entry['votes'].tolist() == [0, 0, 0, 5, 2, 0 if rule in ('probability', 'crossentropy') else 1, 0, 0]


@pytest.mark.parametrize('rule', RULES)
def test_some_of_the_votes(tmp_path, rule):
    rng = np.random.default_rng(0)
    rows = [
        f'Training,{i}.png,{",".join(map(str, rng.multinomial(10, [0.5, 0.3, *[0.02] * 5, 0, 0.1, 0])))}'
        for i in range(300)
    ]
    options = dict(rule=rule, validate=False)
    path = write_list(tmp_path, rows)
    full, few, most = (FERPlus(ann_file=path, votes_used=used, **options) for used in (None, 3, 10))
    assert few.column('image_name') == full.column('image_name')  # all votes decide which images are kept
    assert few.protocol == f'FERPlus train, {rule} rule, at most 3 votes a face (seed 0)'
    assert few.published_counts() == np.sum(full.published_counts())
    votes, used = (np.stack(dataset.column('votes')) for dataset in (full, few))
    assert (used <= votes).all()
    np.testing.assert_array_equal(used.sum(1), 3)
    assert few.get_gt_labels().tolist() == used.argmax(1).tolist() != full.get_gt_labels().tolist()
    scores, used_scores = (np.stack(dataset.column('gt_score')) for dataset in (full, few))
    assert used_scores.dtype == np.float32
    np.testing.assert_allclose(used_scores.sum(1), scores.sum(1), rtol=1e-6)
    np.testing.assert_allclose(used_scores / used_scores.sum(1, keepdims=True), used / 3, rtol=1e-6)
    for key in ('votes', 'gt_score', 'gt_label'):
        np.testing.assert_array_equal(most.column(key), full.column(key))
    # the same for each face, whatever else is in the list and in which order
    other = FERPlus(ann_file=write_list(tmp_path / 'b', rows[::-1][20:]), votes_used=3, **options)
    by_name = dict(zip(few.column('image_name'), few.column('votes')))
    assert len(other) > 100
    for name, drawn in zip(other.column('image_name'), other.column('votes')):
        np.testing.assert_array_equal(drawn, by_name[name])
    seeded = FERPlus(ann_file=path, votes_used=3, votes_seed=1, **options)
    assert not np.array_equal(np.stack(seeded.column('votes')), used)


@pytest.mark.skipif(not REAL_LIST.is_file(), reason='needs the real list in ../shared/data')
@pytest.mark.parametrize(
    ('rule', 'counts'),
    [
        ('majority', (25060, 3199, 3153)),
        ('crossentropy', (27956, 3505, 3505)),
        ('probability', (27956, 3505, 3505)),
        ('argmax', (28389, 3553, 3546)),
        ('votes', (28389, 3553, 3546)),
    ],
)
def test_counts_of_the_real_list(rule, counts):
    for split, count in zip(('train', 'val', 'test'), counts):
        dataset = FERPlus(ann_file=str(REAL_LIST), split=split, rule=rule, validate=False)
        assert len(dataset) == count
        published = dataset.published_counts()
        assert published in (count, tuple(dataset.class_counts().values()))
        if rule == 'majority' and split == 'test':
            assert published == (1090, 893, 396, 384, 273, 18, 83, 16)
        if rule != 'votes':
            entries = [dataset.entry(i) for i in range(0, count, 100)]
            np.testing.assert_allclose([entry['gt_score'].sum() for entry in entries], 1, rtol=1e-5)


def test_case_of_usages_does_not_matter_and_dropped_rows_are_counted(tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr('mmfer.datasets.left_out.print_log', lambda text, **kwargs: lines.append(text))
    path = write_list(tmp_path, [row.replace('Training', ' TRAINING ') for row in list_rows()])
    assert len(FERPlus(ann_file=path, validate=False)) == 8
    assert len(FERPlus(write_pixels(tmp_path))) == 8  # whose Usage is spelt as published
    assert [line.endswith('were left out: 1 without an image name (row 10)') for line in lines] == [True, True]


# ---- images that are left out -----------------------------------------------------------------------------------
def test_named_images_are_left_out_of_every_split(tmp_path):
    write_list(tmp_path)
    root = write_images(tmp_path)
    names = tmp_path / 'names.txt'
    names.write_text('fer0000002.png\nfer0000010.png\n\nunknown.png\n')
    train, test = (
        FERPlus(root, split=split, exclude=str(names), allow_empty_classes=True) for split in ('train', 'test')
    )
    assert [info['image_name'] for info in train] == [f'fer{i:07d}.png' for i in range(8) if i != 2]
    assert 'fer0000010.png' not in [info['image_name'] for info in test]
    assert test.published_counts() is None
    assert train.protocol.endswith(f'majority rule, without {names}')
    with pytest.raises(FileNotFoundError, match="exclude='nowhere.txt' does not exist. Name a file"):
        FERPlus(root, exclude='nowhere.txt')
    names.write_text('FER2013Train/fer0000002.png\nfer0000003\n')
    with pytest.raises(ValueError, match='has none of the names of exclude=.*, such as FER2013Train/fer0000002.png'):
        FERPlus(root, exclude=str(names))


def test_rows_of_pixels_are_left_out_by_the_names_that_verify_gives_them(tmp_path):
    write_list(tmp_path)
    root, listed = write_pixels(tmp_path), tmp_path / 'names.txt'
    dataset = FERPlus(root)
    listed.write_text('\n'.join(Path(dataset.get_data_info(i)['img_path']).name for i in (1, 4)))
    kept = FERPlus(root, exclude=str(listed), allow_empty_classes=True)
    assert [info['image_name'] for info in kept] == [f'fer{i:07d}.png' for i in range(8) if i not in (1, 4)]


def test_the_list_that_comes_along_names_training_images_alone():
    usages = {}
    if not REAL_LIST.is_file():
        pytest.skip('needs the real list of FER+ beside the project')
    for line in REAL_LIST.read_text().splitlines()[1:]:
        usage, name = line.split(',')[:2]
        usages[name] = usage
    names = Path(FERPlus.__init__.__code__.co_filename).with_name('ferplus_copies.txt').read_text().split()
    assert len(set(names)) == len(names) == 3081
    assert {usages[name] for name in names} == {'Training'}
