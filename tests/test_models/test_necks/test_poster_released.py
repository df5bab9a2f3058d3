"""POSTER as its configs put it together: released names, sizes, heads, training."""

import re
from pathlib import Path

import golden
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample

from mmfer.apis import build_runner, load_config
from mmfer.models.released.names import detect_kind, to_mmfer
from mmfer.models.two_view_preprocessor import second_views
from mmfer.registry import MODELS

ROOT = Path(__file__).resolve().parents[3]
HEADS = sorted(path.stem for path in ROOT.glob('configs/_base_/heads/*.py'))


def build(model):
    with DefaultScope.overwrite_default_scope('mmfer'):
        return MODELS.build(model)


def released(depth=8):
    """Names and shapes of a released file of the network with this many pyramid blocks."""
    entries = golden.manifest('poster_7')['entries']
    later = re.compile(r'pyramid_fuse\.blocks\.(\d+)\.')
    kept = [(n, s) for n, s in entries if not (m := later.match(n)) or int(m[1]) < depth]
    return {name: torch.empty(shape, device='meta') for name, shape in kept}


def test_what_it_drops():
    state = released()
    assert detect_kind(state) == 'poster'
    renamed, dropped = to_mmfer(state, 'poster')
    assert {re.sub(r'(output_layer)\..*', r'\1', name) for name in dropped} == {
        'ir_back.output_layer',
        'face_landback.output_layer',
        'pyramid_fuse.cls_token',
    }
    assert renamed['neck.blocks.7.scales.2.landmark.norm1.bias'] is state['pyramid_fuse.blocks.7.block_s.norm3.bias']
    assert (
        renamed['neck.blocks.0.scales.1.image.attn.kv.bias'] is state['pyramid_fuse.blocks.0.block_m.attn_img.kv.bias']
    )


@pytest.mark.parametrize(('config', 'depth'), [('raf_small', 4), ('raf_base', 6), ('raf', 8)])
def test_every_size_is_filled_by_its_file(config, depth):
    with torch.device('meta'):
        own = build(load_config(ROOT / f'configs/poster/{config}.py').model).state_dict()
    renamed, _ = to_mmfer(released(depth), 'poster')
    assert {n: t.shape for n, t in renamed.items()} == {n: t.shape for n, t in own.items()}


@pytest.mark.parametrize(('config', 'mean'), [('raf', (124, 116, 104)), ('affectnet7', (104, 116, 124))])
def test_erased_pixels_are_zero_in_the_colour_order_of_the_config(config, mean):
    """mean: BGR as the erasing paints it; the model sees about 0, whichever order it gets."""
    config = load_config(ROOT / f'configs/poster/{config}.py')
    erase = next(
        step for step in config.train_dataloader.dataset.pipeline if step.type.__name__ == 'ImageRandomErasing'
    )
    assert tuple(erase.get('value', (104, 116, 124))) == mean
    image = torch.tensor(mean, dtype=torch.uint8).view(3, 1, 1).expand(3, 4, 4)
    assert build(config.model.data_preprocessor).normalise([image]).abs().max() < 0.01


@pytest.mark.parametrize('head', HEADS)
def test_every_head_behind_it(head):
    config = load_config(ROOT / 'configs/poster/synth.py')
    other = Config.fromfile(ROOT / f'configs/_base_/heads/{head}.py').head
    config.model.head = dict(other, num_classes=7, in_channels=128)
    if head == 'eac':  # it looks at maps; behind this neck it reads the embedding
        config.model.head['pooled'] = True
    model = build(config.model)
    samples = [DataSample().set_gt_label(i) for i in (0, 3, 5, 6)]
    samples += second_views(samples) if head == 'eac' else []
    loss, _ = model.parse_losses(model(torch.randn(len(samples), 3, 40, 40), samples, mode='loss'))
    loss.backward()
    assert torch.isfinite(loss)
    assert [n for n, p in model.named_parameters() if p.grad is None] == []
    predicted = model.eval()(torch.randn(2, 3, 40, 40), mode='predict')
    assert all('uncertainty' in sample for sample in predicted)


def test_two_iterations_of_training(tmp_path):
    config = load_config(ROOT / 'configs/poster/synth.py')
    for loader, num in ((config.train_dataloader, 28), (config.val_dataloader, 14), (config.test_dataloader, 14)):
        loader.batch_size = 14
        loader.dataset.update(num_samples=num, cache=False)
    config.train_cfg.max_epochs = config.param_scheduler[0].total_steps = 1
    runner = build_runner(config, work_dir=tmp_path)
    runner.train()
    assert runner.iter == 2
    assert (tmp_path / 'epoch_1.pth').is_file()
