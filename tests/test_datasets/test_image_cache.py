"""Decoded images that processes share: the same samples, made once, and never a wrong or half-written file."""

import copy
import multiprocessing
import os
import pickle
import re
import signal
import time

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from torch.utils.data import DataLoader

from mmfer.datasets import (
    CropFace,
    CSVDataset,
    FewPerClass,
    FolderDataset,
    ImageResize,
    LoadImageFromFile,
    PackInputs,
    image_cache,
    stack_images,
)
from mmfer.datasets.image_cache import ImageCache, open_cache

PIPELINE = [
    dict(type=LoadImageFromFile),
    dict(type=ImageResize, size=(20, 20)),
    dict(type='RandomFlip', prob=0.5),
    dict(type=PackInputs),
]
FORK = multiprocessing.get_context('fork')


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """The caches of a test lie in folders of its own."""
    monkeypatch.setenv('MMFER_CACHE', str(tmp_path / 'cache'))
    (tmp_path / 'shm').mkdir()
    monkeypatch.setattr(image_cache, 'MEMORY', tmp_path / 'shm')
    return dict(disk=tmp_path / 'cache' / 'images', memory=tmp_path / 'shm' / f'mmfer-{os.getuid()}')


@pytest.fixture
def warnings(monkeypatch):
    """Texts of the warnings that are logged."""
    texts = []
    monkeypatch.setattr('mmfer.datasets.decoded.print_log', lambda text, **options: texts.append(text))
    return texts


@pytest.fixture
def root(tmp_path):
    """Twelve images of different sizes, some of them grey, JPEG and PNG."""
    rng = np.random.default_rng(0)
    for folder in ('happy', 'sad', 'neutral'):
        (tmp_path / 'data' / folder).mkdir(parents=True)
        for i in range(4):
            img = rng.integers(0, 256, (*rng.integers(20, 60, 2), 3)[: 2 if i == 1 else 3], dtype=np.uint8)
            cv2.imwrite(str(tmp_path / 'data' / folder / f'{i}{".png" if i > 1 else ".jpg"}'), img)
    return tmp_path / 'data'


def build(root, cache=False, pipeline=PIPELINE, **options):
    with DefaultScope.overwrite_default_scope('mmfer'):
        return FolderDataset(str(root), cache=cache, pipeline=pipeline, **options)


def batches(dataset, workers=0, epochs=1, context=None):
    """Contents of all batches; augmentation is drawn anew by the same seeds."""
    np.random.seed(0)
    torch.manual_seed(0)
    loader = DataLoader(
        dataset,
        batch_size=5,
        num_workers=workers,
        collate_fn=stack_images,
        worker_init_fn=None if context else seed_numpy,
        multiprocessing_context=context,
    )
    return [
        (batch['inputs'], [(sample.gt_label.tolist(), sample.metainfo) for sample in batch['data_samples']])
        for _ in range(epochs)
        for batch in loader
    ]


def seed_numpy(worker):
    np.random.seed(worker)


def assert_same(a, b):
    assert len(a) == len(b)
    for (images, samples), (others, other_samples) in zip(a, b):
        assert torch.equal(images, others)
        assert samples == other_samples


@pytest.mark.parametrize('mode', ['memory', 'disk'])
def test_batches_are_those_without_it(root, places, mode):
    plain = build(root)
    kept = build(root, mode)
    assert [path.suffix for path in places[mode].iterdir()] == ['.images']
    for path in root.rglob('*.jpg'):
        path.write_bytes(b'the cache is used')
    again = batches(kept)
    assert len(again) == 3
    for path in root.rglob('*.jpg'):
        path.unlink()
    assert_same(batches(kept), again)
    with pytest.raises(FileNotFoundError):
        batches(plain)


@pytest.mark.parametrize('mode', ['memory', 'disk'])
def test_and_in_workers_that_are_started_anew(root, mode):
    expected = batches(build(root))
    assert_same(batches(build(root, mode)), expected)
    expected = batches(build(root), workers=2, epochs=2)
    assert_same(batches(build(root, mode), workers=2, epochs=2), expected)


def test_a_process_that_is_no_fork_opens_the_file_itself(root, monkeypatch):
    """And gets the list, and whatever else is large, by shared memory."""
    dataset = build(root, 'memory', [PIPELINE[0], PIPELINE[1], PIPELINE[3]])
    expected = batches(dataset)
    assert len(pickle.dumps(dataset)) < 10_000
    monkeypatch.setattr('mmfer.datasets.entry_list.LARGE', 1000)
    data = dataset.data_bytes
    assert_same(batches(dataset, workers=1, context='spawn'), expected)
    assert dataset.data_bytes is not data
    assert_same(batches(dataset), expected)


def test_images_come_back_as_they_were(root):
    dataset = build(root, 'memory')
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        img = cv2.imread(info['img_path'])
        grey = os.path.basename(info['img_path']) == '1.jpg'
        np.testing.assert_array_equal(info['img'], img[..., 0] if grey else img)
        assert info['img'].flags.writeable != grey  # what is a copy may be written to
    assert not {'cache_row', 'img'} & set(info) - {'img'}
    assert dataset._decoded.nbytes < sum(cv2.imread(path).size for path in dataset.column('img_path')) + 500


def test_subsets_copies_and_wrappers_find_their_images(root):
    plain, kept = build(root), build(root, 'memory')
    expected = [plain.get_data_info(i)['img_path'] for i in (7, 2)]
    for part in (kept.get_subset([7, 2]), build(root, 'memory', indices=[7, 2])):
        assert [part.get_data_info(i)['img_path'] for i in range(2)] == expected
        for i in range(2):
            img = LoadImageFromFile()(part.get_data_info(i))['img']
            np.testing.assert_array_equal(img, cv2.imread(expected[i]))
    few = FewPerClass(kept, num_per_class=2, seed=0)
    copied = copy.deepcopy(few)
    copied.relabel([0] * 6)
    for path in root.rglob('*.*'):
        path.unlink()
    assert len(batches(few)) == len(batches(copied)) == 2


def test_memory_is_given_back_and_disk_is_found_again(root, places, monkeypatch):
    first, second = build(root, 'memory'), build(root, 'memory')
    assert len(list(places['memory'].iterdir())) == 1
    del first
    assert len(list(places['memory'].iterdir())) == 1
    del second
    assert list(places['memory'].iterdir()) == []
    build(root, 'disk')
    monkeypatch.setattr(LoadImageFromFile, 'read', None)
    assert len(batches(build(root, 'disk'))) == 3


@pytest.mark.parametrize('change', ['other size', 'other time', 'other list', 'cut off', 'flipped', 'empty'])
def test_old_and_damaged_files_are_not_taken(root, places, change):
    build(root, 'disk')
    file = next(places['disk'].iterdir())
    image = root / 'sad' / '0.jpg'
    content = bytearray(file.read_bytes())
    if change == 'other size':
        cv2.imwrite(str(image), np.full((9, 9, 3), 200, np.uint8))
    elif change == 'other time':
        os.utime(image, (1, 1))
    elif change == 'other list':
        image.unlink()
    elif change == 'flipped':
        content[-60] ^= 1  # in the table
        file.write_bytes(content)
    else:
        file.write_bytes(content[:-1000] if change == 'cut off' else b'')
    assert_same(batches(build(root, 'disk')), batches(build(root)))
    assert len(list(places['disk'].iterdir())) == (2 if change.startswith('other') else 1)


def test_settings_of_decoding_have_their_own_file(tmp_path, places):
    root = tmp_path / 'large'
    for folder in ('happy', 'sad'):
        (root / folder).mkdir(parents=True)
        cv2.imwrite(str(root / folder / 'a.jpg'), np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8))
    pipeline = [dict(type=LoadImageFromFile, min_side=16), *PIPELINE[1:]]
    reduced = build(root, 'disk', pipeline)
    assert reduced.get_data_info(0)['img'].shape == (16, 20, 3)
    assert_same(batches(reduced), batches(build(root, pipeline=pipeline)))
    assert build(root, 'disk').get_data_info(0)['img'].shape == (64, 80, 3)
    assert len(list(places['disk'].iterdir())) == 2


def test_two_faces_of_one_photo_share_it(root, tmp_path):
    path = root / 'sad' / '0.jpg'
    table = f'path,label,x1,y1,x2,y2\n{path},sad,0,0,9,9\n{path},sad,3,3,12,12\n{root / "happy" / "0.jpg"},happy,,,,\n'
    (tmp_path / 'list.csv').write_text(table)
    pipeline = [dict(type=LoadImageFromFile, min_side=8), dict(type=CropFace), *PIPELINE[1:]]
    options = dict(ann_file='list.csv', classes=('sadness', 'happiness'), pipeline=pipeline)
    with DefaultScope.overwrite_default_scope('mmfer'):
        kept, plain = (CSVDataset(str(tmp_path), cache=cache, **options) for cache in ('memory', False))
    assert len(kept._decoded) == 2
    assert_same(batches(kept), batches(plain))


def decoder(log, delay=0.0):
    def decode(row):
        with open(log, 'a') as file:
            file.write(f'{row}\n')
        time.sleep(delay)
        return np.full((3, 4, 3), row, np.uint8) + np.arange(3, dtype=np.uint8)

    return decode


def wait_for(condition):
    for _ in range(500):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError('it did not happen')


@pytest.mark.parametrize('mode', ['memory', 'disk'])
def test_processes_that_come_at_once_make_it_once(root, tmp_path, mode):
    paths = sorted(map(str, root.rglob('*.*')))
    start, log = FORK.Barrier(3), tmp_path / 'log'

    def work():
        start.wait()
        kept = open_cache(paths, decoder(log, 0.01), 0, mode, 'Decoding')
        start.wait()
        os._exit(int([img[0, 0, 0] for img in kept] != list(range(len(paths)))))

    processes = [FORK.Process(target=work) for _ in range(2)]
    for process in processes:
        process.start()
    start.wait()
    start.wait()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert sorted(map(int, log.read_text().split())) == list(range(len(paths)))


@pytest.mark.parametrize('mode', ['memory', 'disk'])
def test_what_a_killed_process_leaves_behind_is_removed(root, tmp_path, places, mode, monkeypatch):
    monkeypatch.setattr(image_cache, '_DEAD', dict(memory=0, disk=0))
    paths, log = sorted(map(str, root.rglob('*.*'))), tmp_path / 'log'
    process = FORK.Process(target=lambda: open_cache(paths, decoder(log, 0.2), 0, mode, 'Decoding'))
    process.start()
    wait_for(lambda: log.exists() and list(places[mode].glob('.*.part')))
    other = open_cache(paths, decoder(tmp_path / 'other'), 1, mode, 'Decoding')  # does not touch what is being made
    assert list(places[mode].glob('.*.part'))
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    left = places[mode] / 'forgotten.images'
    left.write_bytes(b'of a process that was killed')
    kept = open_cache(paths, decoder(log), 0, mode, 'Decoding')
    assert len(kept) == len(other) == len(paths)
    names = {kept.path.name, other.path.name} | ({left.name} if mode == 'disk' else set())
    assert {path.name for path in places[mode].iterdir()} == names


def test_a_process_that_ends_leaves_the_memory_to_the_others(root, places):
    kept = build(root, 'memory')._decoded

    def work():
        own = ImageCache(kept.path, len(kept), temporary=True)
        own[0]
        del own
        kept.__init__(kept.path, len(kept))  # drops the one of the parent

    process = FORK.Process(target=work)
    process.start()
    process.join()
    assert process.exitcode == 0
    assert kept.path.is_file()


def test_all_that_cannot_be_decoded_is_told_at_once(root, places):
    for name in ('happy/0.jpg', 'sad/0.jpg'):
        (root / name).write_bytes(b'no image')
    with pytest.raises(ValueError, match=r"FolderDataset: 2 of 12 images cannot be decoded: .*happy/0\.jpg.*'skip'"):
        build(root, 'disk')
    assert list(places['disk'].iterdir()) == []
    assert len(build(root, 'disk', unreadable='skip')) == 10


@pytest.mark.parametrize(
    ('mode', 'remedy'), [('memory', "GB of memory.*Use cache='disk'"), ('disk', 'GB of disk space.*MMFER_CACHE')]
)
def test_too_little_room_warns_and_goes_on(root, places, monkeypatch, warnings, mode, remedy):
    monkeypatch.setattr(image_cache, '_STEP', 1)
    monkeypatch.setattr(image_cache, '_free', lambda folder, temporary: 5000)
    dataset = build(root, mode)
    assert f"cache='{mode}' is not used, images are decoded whenever they are needed" in warnings[0]
    assert re.search(remedy, warnings[0])
    assert_same(batches(dataset), batches(build(root)))
    assert list(places[mode].iterdir()) == []


def test_a_folder_that_cannot_be_written_warns_and_goes_on(root, tmp_path, monkeypatch, warnings):
    (tmp_path / 'file').touch()
    monkeypatch.setenv('MMFER_CACHE', str(tmp_path / 'file'))
    assert len(batches(build(root, 'disk'))) == 3
    assert 'is not used' in warnings[0]


def test_free_memory_is_what_the_machine_has():
    left = image_cache._memory_left()
    assert not left or min(left) > 1 << 20


def test_arguments_and_pipelines_that_do_not_fit(root, tmp_path):
    with pytest.raises(ValueError, match="cache='ram' is not one of False, 'memory', 'disk'"):
        build(root, 'ram')
    with pytest.raises(ValueError, match="begins with mmfer's LoadImageFromFile, not ImageResize"):
        build(root, 'disk', PIPELINE[1:])
    assert build(root, 'disk', [])._decoded is None  # nobody looks at the images
    (root / 'sad' / 'list.csv').write_text('path,label\nabsent.jpg,sad\n')
    with pytest.raises(FileNotFoundError, match=r'1 image files that do not exist: .*absent\.jpg'):
        CSVDataset(
            str(root / 'sad'),
            ann_file='list.csv',
            classes=('sadness',),
            validate=False,
            cache='disk',
            pipeline=[LoadImageFromFile()],
        )
