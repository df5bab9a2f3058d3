"""The README's own examples, run as they stand."""

import json
import re
import statistics
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from mmengine.registry import DefaultScope
from torch.utils.flop_counter import FlopCounterMode

from mmfer.apis import build_runner, init_model, load_config
from mmfer.registry import MODELS

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
    options = {**roots, 'train_dataloader.batch_size': 4, 'train_cfg.max_epochs': 1}
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


def recorded_accuracy(source, config):
    """The last in a log, or in the report of a comparison the mean over the runs of a config."""
    if source.suffix == '.jsonl':
        return json.loads(source.read_text().splitlines()[-1])['accuracy']
    assert source.is_file()
    runs = json.loads(source.with_suffix('.json').read_text())['runs']
    return statistics.mean(run['metrics']['accuracy'] for run in runs if run['config'] == config)


@pytest.mark.parametrize('metafile', sorted(ROOT.glob('configs/*/metafile.yml')), ids=lambda p: p.parent.name)
def test_metafiles_tell_the_truth(metafile):
    content = yaml.safe_load(metafile.read_text())
    assert (ROOT / content['Collections'][0]['README']).is_file()
    for entry in content['Models']:
        config = load_config(ROOT / entry['Config'])
        with DefaultScope.overwrite_default_scope('mmfer'), torch.device('meta'):  # computes nothing
            model = MODELS.build(config.model).eval()
        metadata = entry['Metadata']
        assert sum(p.numel() for p in model.parameters()) == metadata['Parameters'], entry['Name']
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(torch.zeros(1, 3, *map(int, metadata['Input'].split('x')), device='meta'), mode='tensor')
        assert counter.get_total_flops() == pytest.approx(
            metadata['FLOPs'], rel=0.02
        )  # releases count attention or not
        for result in entry['Results'] or []:
            if result['Source'] not in ('reported by the paper', 'quoted in another paper'):
                found = recorded_accuracy(ROOT / result['Source'], entry['Config'])
                assert result['Metrics']['Accuracy'] == pytest.approx(found, abs=0.005), entry['Name']
