"""docs/datasets.md: its config for folders of photos trains."""

import re

import cv2
import numpy as np
from processes import ROOT

from mmfer.apis import build_runner, init_model, load_config

PAGE = (ROOT / 'docs/datasets.md').read_text()


def test_training_on_own_images(tmp_path):
    config = tmp_path / 'configs/my/folders.py'
    config.parent.mkdir(parents=True)
    (tmp_path / 'configs/_base_').symlink_to(ROOT / 'configs/_base_')
    config.write_text(re.search(r'```python\n(# configs/my/folders.py\n.*?)```', PAGE, re.S)[1])
    rng = np.random.default_rng(0)
    for split in ('train', 'val'):
        for name in ('neutral', 'Happy', 'sad'):
            folder = tmp_path / 'my_photos' / split / name
            folder.mkdir(parents=True)
            for i in range(3):
                cv2.imwrite(str(folder / f'{i}.png'), rng.integers(0, 256, (60, 50, 3), dtype=np.uint8))
    roots = {f'{part}_dataloader.dataset.data_root': str(tmp_path / 'my_photos') for part in ('train', 'val', 'test')}
    options = {**roots, 'train_dataloader.batch_size': 4, 'train_cfg.max_epochs': 1, 'param_scheduler.0.total_steps': 1}
    runner = build_runner(config, work_dir=tmp_path / 'work', cfg_options=options)
    runner.train()
    model = init_model(load_config(config), tmp_path / 'work/epoch_1.pth')
    assert model.classes == ('neutral', 'happiness', 'sadness')
