"""The README's own examples, run as they stand."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmfer.apis import build_runner, init_model, load_config

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / 'README.md').read_text()
BLOCKS = re.findall(r'```(\w+)\n(.*?)```', README, re.S)


def block(start):
    return next(text for _, text in BLOCKS if text.startswith(start))


def test_training_on_own_images(tmp_path):
    (tmp_path / 'configs').mkdir()
    (tmp_path / 'configs/_base_').symlink_to(ROOT / 'configs/_base_')
    (tmp_path / 'configs/my').mkdir()
    (tmp_path / 'configs/my/photos.py').write_text(block('# configs/my/photos.py'))
    rng = np.random.default_rng(0)
    for split in ('train', 'val'):
        for name in ('neutral', 'Happy', 'sad'):
            folder = tmp_path / 'my_photos' / split / name
            folder.mkdir(parents=True)
            for i in range(3):
                cv2.imwrite(str(folder / f'{i}.png'), rng.integers(0, 256, (60, 50, 3), dtype=np.uint8))
    roots = {f'{part}_dataloader.dataset.data_root': str(tmp_path / 'my_photos') for part in ('train', 'val', 'test')}
    options = {**roots, 'train_dataloader.batch_size': 4, 'train_cfg.max_epochs': 1, 'param_scheduler.0.total_steps': 1}
    runner = build_runner(tmp_path / 'configs/my/photos.py', work_dir=tmp_path / 'work', cfg_options=options)
    runner.train()
    model = init_model(load_config(tmp_path / 'configs/my/photos.py'), tmp_path / 'work/epoch_1.pth')
    assert model.classes == ('neutral', 'happiness', 'sadness')


@pytest.mark.parametrize('path', re.findall(r'\]\((?!http)([^)#\s]+)\)', README))
def test_links_lead_somewhere(path):
    assert (ROOT / path).exists()


def test_configs_that_are_named_exist():
    names = set(re.findall(r'configs/[\w/]+\.py', README)) - {'configs/my/photos.py'}
    assert names
    assert [name for name in names if not (ROOT / name).is_file()] == []
