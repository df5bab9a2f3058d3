import pytest
from dataset_trees import check_common_failures, tail, write_image

from mmfer.datasets.ck_plus import CKPlus

IMAGES, LABELS = 'cohn-kanade-images', 'Emotion'


def write_sequence(root, sequence, label, frames=range(1, 7), images=IMAGES, labels=LABELS, text=None):
    """Frames of a sequence, and the label of the last one unless it is None."""
    subject, number = sequence.split('_')
    for frame in frames:
        write_image(root / images / subject / number / f'{sequence}_{frame:08d}.png')
    folder = root / labels / subject / number
    folder.mkdir(parents=True, exist_ok=True)  # the release has empty folders
    if label is not None:
        (folder / f'{sequence}_{max(frames):08d}_emotion.txt').write_text(text or f'   {label}.0000000e+00\n')


def make_tree(root, **options):
    for label in range(1, 8):
        write_sequence(root, f'S{label:03d}_001', label, **options)
    return str(root)


def frame_numbers(dataset):
    return [int(path[-12:-4]) for path in dataset.column('img_path')]


@pytest.mark.parametrize(
    ('images', 'labels'),
    [(IMAGES, LABELS), ('extended-cohn-kanade-images/cohn-kanade-images', 'Emotion_labels/Emotion')],
)
def test_published_layout(tmp_path, images, labels):
    dataset = CKPlus(make_tree(tmp_path, images=images, labels=labels))
    assert dataset.classes == CKPlus.METAINFO['classes']
    assert list(dataset.class_counts().values()) == [7] + [3] * 7
    assert frame_numbers(dataset)[:4] == [1, 4, 5, 6]
    assert dataset.get_gt_labels().tolist()[:8] == [0, 1, 1, 1, 0, 2, 2, 2]
    entry = dataset.entry(4)
    assert tail(tmp_path / images, entry['img_path']) == 'S002/001/S002_001_00000001.png'
    assert (entry['subject'], entry['sequence']) == ('S002', 'S002_001')


@pytest.mark.parametrize(
    ('options', 'total', 'rule'),
    [
        (dict(), 1308, 'last 3 frames, first 1 as neutral'),
        (dict(neutral=False), 981, 'last 3 frames, no neutral'),
        (dict(contempt=False), 1236, 'last 3 frames, first 1 as neutral, no contempt'),
        (dict(neutral=False, contempt=False, num_peak=1), 309, 'last 1 frames, no neutral, no contempt'),
        (dict(num_neutral=2, num_peak=4), 1962, 'last 4 frames, first 2 as neutral'),
    ],
)
def test_protocols(tmp_path, options, total, rule):
    dataset = CKPlus(make_tree(tmp_path), **options)
    names = [name for name in CKPlus.METAINFO['classes'] if options.get(name, True)]
    assert dataset.classes == dataset.metainfo['classes'] == tuple(names)
    counts = dict.fromkeys(names, options.get('num_peak', 3))
    if 'neutral' in names:
        counts['neutral'] = (7 if 'contempt' in names else 6) * options.get('num_neutral', 1)
    assert dataset.class_counts() == counts
    assert sum(dataset.published_counts()) == total
    assert dataset.protocol == f'CKPlus, {rule}'
    for entry in dataset:
        if dataset.classes[entry['gt_label']] != 'neutral':
            label = CKPlus.METAINFO['classes'].index(dataset.classes[entry['gt_label']])
            assert entry['subject'] == f'S{label:03d}'


def test_unlabelled_sequences_and_frames_that_start_late_or_go_on(tmp_path):
    write_sequence(tmp_path, 'S010_001', 5, frames=[9, 12, 13, 20])
    write_image(tmp_path / IMAGES / 'S010/001/S010_001_00000021.png')  # after the peak
    (tmp_path / IMAGES / 'S010/001/.DS_Store').touch()
    write_sequence(tmp_path, 'S010_002', None)
    dataset = CKPlus(str(tmp_path), allow_empty_classes=True)
    assert frame_numbers(dataset) == [9, 12, 13, 20]
    assert dataset.get_gt_labels().tolist() == [0, 5, 5, 5]


def test_a_sequence_labelled_neutral(tmp_path):
    write_sequence(make_tree(tmp_path) and tmp_path, 'S010_001', 0)
    assert CKPlus(str(tmp_path)).class_counts()['neutral'] == 7 + 4
    assert len(CKPlus(str(tmp_path), neutral=False)) == 21


def test_failures(tmp_path):
    check_common_failures(CKPlus, make_tree(tmp_path / 'ck'))


def test_bad_labels_and_sequences_are_reported_together(tmp_path):
    make_tree(tmp_path)
    write_sequence(tmp_path, 'S010_001', 8)
    write_sequence(tmp_path, 'S010_002', 1, text='happy')
    write_sequence(tmp_path, 'S010_003', 1, text=' ')
    write_sequence(tmp_path, 'S010_004', 1, frames=[1, 2, 3])
    (tmp_path / LABELS / 'S001/001/S001_001_00000005_emotion.txt').write_text('1')
    (tmp_path / LABELS / 'S001/001/odd_emotion.txt').write_text('1')
    with pytest.raises(ValueError) as error:
        CKPlus(str(tmp_path))
    message = str(error.value)
    assert "3 labels that are not in 0..7: S010_001_00000006_emotion.txt '8.0000000e+00'" in message
    assert "'happy'" in message
    assert '1 sequences with fewer than the 4 frames wanted: S010_004 (3)' in message
    assert '1 sequences with several label files: S001_001_00000006_emotion.txt' in message
    assert '1 label files with other names than such as S005_001_00000011_emotion.txt: odd_emotion.txt' in message


def test_missing_labels(tmp_path):
    root = make_tree(tmp_path)
    (tmp_path / LABELS).rename(tmp_path / 'labels')
    with pytest.raises(FileNotFoundError, match='folder of the label files not found'):
        CKPlus(root)


@pytest.mark.parametrize('option', ['num_peak', 'num_neutral'])
def test_wrong_arguments(option):
    with pytest.raises(ValueError, match=f'{option}=0 must be'):
        CKPlus(lazy_init=True, **{option: 0})
    with pytest.raises(ValueError, match='cannot change the classes'):
        CKPlus(lazy_init=True, metainfo=dict(classes=('anger',)))


def test_linked_label_folders_are_read_and_other_frames_counted(tmp_path, left_out):
    root = make_tree(tmp_path / 'own')
    (tmp_path / 'own' / LABELS / 'S001').rename(tmp_path / 'S001')
    (tmp_path / 'own' / LABELS / 'S001').symlink_to(tmp_path / 'S001')
    write_image(tmp_path / 'own' / IMAGES / 'S001' / '001' / 'S001_001_00000001.jpg')
    assert list(CKPlus(root).class_counts().values()) == [7] + [3] * 7
    [line] = left_out
    assert '1 image files under' in line
    assert 'S001_001_00000001.jpg' in line
