"""Decoded images that processes share: the same samples, made once, and never a wrong or half-written file."""

import copy
import errno
import multiprocessing
import os
import pickle
import re

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
    decoded,
    stack_images,
)
from mmfer.datasets.decoded import keep_decoded

PIPELINE = [
    dict(type=LoadImageFromFile),
    dict(type=ImageResize, size=(20, 20)),
    dict(type='RandomFlip', prob=0.5),
    dict(type=PackInputs),
]
FORK = multiprocessing.get_context('fork')


@pytest.fixture(autouse=True)
def kept_files(tmp_path, monkeypatch):
    """The caches of a test lie in folders of its own; gives the names of the files."""
    monkeypatch.setenv('MMFER_CACHE', str(tmp_path / 'cache'))
    (tmp_path / 'shm').mkdir()
    monkeypatch.setattr(decoded, '_MEMORY', str(tmp_path / 'shm'))
    return lambda: [path.name for path in [*tmp_path.glob('cache/images/*'), *tmp_path.glob('shm/*')]]


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
def test_batches_are_those_without_it(root, kept_files, mode):
    plain = build(root)
    kept = build(root, mode)
    assert [name.endswith('.images') for name in kept_files()] == [True] * (mode == 'disk')
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


@pytest.mark.parametrize('mode', ['memory', 'disk'])
def test_a_process_that_is_no_fork_gets_the_images(root, mode):
    dataset = build(root, mode, [PIPELINE[0], PIPELINE[1], PIPELINE[3]])
    assert (len(pickle.dumps(dataset)) < 10_000) == (mode == 'disk')  # it opens the file itself
    assert_same(batches(pickle.loads(pickle.dumps(dataset))), batches(dataset))


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


def test_disk_is_found_again(root, monkeypatch):
    build(root, 'disk')
    monkeypatch.setattr(LoadImageFromFile, 'read', None)
    assert len(batches(build(root, 'disk'))) == 3


@pytest.mark.parametrize('change', ['other size', 'other time', 'other list', 'cut off', 'empty'])
def test_old_and_cut_off_files_are_not_taken(root, kept_files, tmp_path, change):
    build(root, 'disk')
    (name,) = kept_files()
    file = tmp_path / 'cache' / 'images' / name
    image = root / 'sad' / '0.jpg'
    content = file.read_bytes()
    if change == 'other size':
        cv2.imwrite(str(image), np.full((9, 9, 3), 200, np.uint8))
    elif change == 'other time':
        os.utime(image, (1, 1))
    elif change == 'other list':
        image.unlink()
    else:
        file.write_bytes(content[:-1000] if change == 'cut off' else b'')
    assert_same(batches(build(root, 'disk')), batches(build(root)))
    assert len(kept_files()) == (2 if change.startswith('other') else 1)


def test_settings_of_decoding_have_their_own_file(tmp_path, kept_files):
    root = tmp_path / 'large'
    for folder in ('happy', 'sad'):
        (root / folder).mkdir(parents=True)
        cv2.imwrite(str(root / folder / 'a.jpg'), np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8))
    pipeline = [dict(type=LoadImageFromFile, min_side=16), *PIPELINE[1:]]
    reduced = build(root, 'disk', pipeline)
    assert reduced.get_data_info(0)['img'].shape == (16, 20, 3)
    assert_same(batches(reduced), batches(build(root, pipeline=pipeline)))
    assert build(root, 'disk').get_data_info(0)['img'].shape == (64, 80, 3)
    assert len(kept_files()) == 2


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


def test_processes_that_come_at_once_do_not_harm_each_other(root, kept_files):
    paths = sorted(map(str, root.rglob('*.*')))
    start = FORK.Barrier(3)

    def decode(row):
        return np.full((3, 4, 3), row, np.uint8) + np.arange(3, dtype=np.uint8)

    def work():
        start.wait()
        kept = keep_decoded(paths, decode, 0, 'disk', 'Decoding')
        os._exit(int([img[0, 0, 0] for img in kept] != list(range(len(paths)))))

    processes = [FORK.Process(target=work) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert len(kept_files()) == 1


def test_an_image_that_cannot_be_decoded_is_named(root, kept_files):
    for name in ('happy/0.jpg', 'sad/0.jpg'):
        (root / name).write_bytes(b'no image')
    with pytest.raises(ValueError, match=r"FolderDataset: cannot decode .*happy/0\.jpg.*'skip'"):
        build(root, 'disk')
    assert kept_files() == []
    assert len(build(root, 'disk', unreadable='skip')) == 10


@pytest.mark.parametrize('mode', ['memory', 'disk'])
def test_too_little_room_warns_and_goes_on(root, kept_files, monkeypatch, warnings, mode):
    def full(*args):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(decoded, '_write', full)
    dataset = build(root, mode)
    text = f"cache='{mode}' is not used, images are decoded whenever they are needed: .*No space left"
    assert re.search(text, warnings[0])
    assert_same(batches(dataset), batches(build(root)))
    assert kept_files() == []


def test_a_folder_that_cannot_be_written_warns_and_goes_on(root, tmp_path, monkeypatch, warnings):
    (tmp_path / 'file').touch()
    monkeypatch.setenv('MMFER_CACHE', str(tmp_path / 'file'))
    assert len(batches(build(root, 'disk'))) == 3
    assert 'is not used' in warnings[0]


def test_arguments_and_pipelines_that_do_not_fit(root, tmp_path):
    with pytest.raises(ValueError, match="cache='ram' is not one of False, 'memory', 'disk'"):
        build(root, 'ram')
    with pytest.raises(ValueError, match="begins with mmfer's LoadImageFromFile, not ImageResize"):
        build(root, 'disk', PIPELINE[1:])
    assert build(root, 'disk', [])._decoded is None  # nobody looks at the images
    (root / 'sad' / 'list.csv').write_text('path,label\nabsent.jpg,sad\n')
    with pytest.raises(FileNotFoundError, match=r'needs all images on this machine: .*absent\.jpg'):
        CSVDataset(
            str(root / 'sad'),
            ann_file='list.csv',
            classes=('sadness',),
            validate=False,
            cache='disk',
            pipeline=[LoadImageFromFile()],
        )
