"""POSTER as its configs put it together: released names, sizes, erased pixels."""

import re
from pathlib import Path

import golden
import pytest
import torch
from mmengine.registry import DefaultScope

from mmfer.apis import load_config
from mmfer.models.released.names import detect_kind, to_mmfer
from mmfer.registry import MODELS

ROOT = Path(__file__).resolve().parents[3]


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
