import shutil

import cv2
import numpy as np
import pytest
from mmengine.registry import DefaultScope
from nested_data import KINDS, nested

from mmfer.datasets import FolderDataset, SynthFER
from mmfer.datasets.same_images import count_fitted_images, image_ids
from mmfer.inference.calibration.data import list_images
from mmfer.registry import DATASETS


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for split in ('train', 'test'):
        for name in ('anger', 'neutral'):
            folder = tmp_path / 'a' / split / name
            folder.mkdir(parents=True)
            for i in range(3):
                img = rng.integers(0, 256, (8, 8 + i, 3), dtype=np.uint8)
                cv2.imwrite(str(folder / f'{i}.png'), img)
    return tmp_path / 'a'


def folder(root, split):
    return FolderDataset(data_root=str(root), split=split)


def test_files(photos):
    train, test = (image_ids(folder(photos, split)) for split in ('train', 'test'))
    assert train.shape == (6,)
    assert train.dtype == np.int64
    assert len({*train, *test}) == 12
    copied = photos.parent / 'elsewhere' / 'b'
    shutil.copytree(photos, copied)
    assert (image_ids(folder(copied, 'test')) == test).all()
    (copied / 'test/anger/0.png').write_bytes(b'other')  # of the same name, but another file
    assert (image_ids(folder(copied, 'test')) != test).sum() == 1


def test_drawn_faces_are_not_drawn(monkeypatch):
    monkeypatch.setattr(SynthFER, 'render', None)
    test = image_ids(SynthFER(split='test', num_samples=10))
    assert (image_ids(SynthFER(split='test', num_samples=20))[:10] == test).all()
    for other in (dict(split='val'), dict(split='test', seed=1)):
        assert not np.isin(image_ids(SynthFER(num_samples=10, **other)), test).any()


@pytest.mark.parametrize('kind', KINDS)
def test_joined_data(kind, photos):
    drawn, files = dict(type='SynthFER', num_samples=10, seed=3), dict(type='FolderDataset', data_root=str(photos))
    classes = dict(classes=SynthFER.METAINFO['classes'])
    parts = [drawn, dict(drawn, seed=4), dict(files, split='train', **classes, allow_empty_classes=True)]
    wanted = [*image_ids(SynthFER(num_samples=10, seed=3)), *image_ids(SynthFER(num_samples=10, seed=4))]
    wanted += [*image_ids(folder(photos, 'train'))]
    config = nested(kind, *parts)
    if kind == 'mmengine.ConcatDataset':
        config['datasets'] = parts[:2]
        wanted = wanted[:20]
    with DefaultScope.overwrite_default_scope('mmfer'):
        dataset = DATASETS.build(config)
    found = image_ids(dataset)
    if kind == 'KFold':
        assert len(found) == 13
        assert np.isin(found, wanted).all()
    else:
        assert found.tolist() == [int(each) for each in wanted]
    assert (list_images(dict(config)) == found).all()


def test_count():
    test = SynthFER(split='test', num_samples=10)
    content = dict(meta=dict(calibration=dict(images=image_ids(SynthFER(split='test', num_samples=4)))))
    assert count_fitted_images(content, test) == 4
    assert count_fitted_images(content, SynthFER(split='val', num_samples=10)) == 0
    assert count_fitted_images({}, test) == 0
    assert count_fitted_images(content, [1, 2, 3]) == 0
    with pytest.raises(ValueError, match='does not tell its images'):
        image_ids([1])
