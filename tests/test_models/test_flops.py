import pytest
import torch
from mmengine.config import Config
from processes import ROOT
from small_runs import shallow_config

from mmfer.apis import load_config
from mmfer.models.flops import count_flops, count_parameters, flops_report, shape_model

POSTER_VAR = ROOT / 'configs/poster_var/synth.py'


def network(backbone, head='LinearHead', channels=8, **options):
    """A config of a model that pools the maps of a backbone."""
    neck = dict(type='mmpretrain.GlobalAveragePooling')
    head = dict(type=head, num_classes=7, in_channels=channels)
    return Config(
        dict(model=dict(type='mmpretrain.ImageClassifier', backbone=backbone, neck=neck, head=head), **options)
    )


def test_a_network_counted_by_hand():
    config = network(dict(type='IRNet', channels=(8,), num_blocks=(1,), out_indices=(0,)))
    result = count_flops(config, (32, 32))
    # 3 -> 8 at 32x32, twice 8 -> 8 of which the second halves the size, and 8 -> 7; no shortcut convolution
    by_hand = 2 * (32 * 32 * 8 * 27 + 32 * 32 * 8 * 72 + 16 * 16 * 8 * 72 + 8 * 7)
    assert result['flops'] == result['flops_per_image'] == by_hand
    assert result['input'] == [1, 3, 32, 32]
    with torch.no_grad():
        assert result['parameters'] == sum(value.numel() for value in shape_model(config).parameters())
    assert count_flops(config, (32, 32), batch=3)['flops'] == 3 * by_hand


def test_options_reach_config_objects():
    config = load_config(POSTER_VAR)
    counts = [count_flops(config, cfg_options=options)['parameters'] for options in ({}, {'model.head.num_classes': 9})]
    assert counts[0] < counts[1]
    assert config.model.head.num_classes == 7


def test_attention_counts():
    """Twice as many tokens are four times as many operations within the attention, whichever kernel computes it."""
    config = network(
        dict(type='mmpretrain.VisionTransformer', arch='deit-tiny', img_size=32, patch_size=8), channels=192
    )
    config.model.neck = None
    tokens, width, layers = 17, 192, 12
    result = count_flops(config, (32, 32))
    attention = layers * 2 * 2 * tokens * tokens * width
    projections = layers * 2 * tokens * width * 12 * width
    rest = 2 * 16 * width * 3 * 64 + 2 * width * 7
    assert result['flops'] == attention + projections + rest


def test_parts_make_up_the_whole():
    result = count_flops(POSTER_VAR)
    assert result['input'] == [1, 3, 40, 40]  # of the test pipeline
    rows = {row['name']: row for row in result['parts']}
    assert {'backbone', 'backbone.image', 'neck.fusions', 'head'} <= rows.keys()
    for key in ('flops', 'parameters'):
        assert sum(row[key] for name, row in rows.items() if '.' not in name) == result[key]
    assert rows['neck.fusions']['flops'] > 0  # a list of modules, which is never called itself
    text = flops_report(result, parts=True)
    assert f'{result["parameters"]:,}' in text
    assert 'backbone.landmark' in text
    assert 'attention included' in text


def test_frozen_parameters_are_told_apart():
    result = count_flops(ROOT / 'configs/poster_var/raf.py')
    assert result['parameters'] - result['trained_parameters'] > 900_000  # MobileFaceNet
    assert count_parameters(shape_model(load_config(POSTER_VAR)), trained=True) == count_flops(POSTER_VAR)['parameters']


def test_a_network_that_needs_values_is_run(monkeypatch):
    """Such as one that looks at the greatest value of its maps."""
    from mmfer.models import IRNet

    plain, forward = count_flops(shallow_config('unused')), IRNet.forward

    def looks(self, x):
        maps = forward(self, x)
        assert maps[0].max().item() > -1e9
        return maps

    monkeypatch.setattr(IRNet, 'forward', looks)
    assert count_flops(shallow_config('unused'))['flops'] == plain['flops']


def test_mistakes_are_named(tmp_path):
    with pytest.raises(ValueError, match='batch=0'):
        count_flops(POSTER_VAR, batch=0)
    with pytest.raises(ValueError, match=r'size=\(40,\)'):
        count_flops(POSTER_VAR, (40,))
    with pytest.raises(FileNotFoundError, match='config not found'):
        count_flops(tmp_path / 'none.py')
    with pytest.raises(ValueError, match='there is no model'):
        count_flops(Config(dict(a=1)))
    bare = network(dict(type='IRNet', channels=(8,), num_blocks=(1,), out_indices=(0,)))
    with pytest.raises(ValueError, match=r'test_dataloader.dataset has no pipeline.*give it \(--size H W\)'):
        count_flops(bare)
    bare.model.head.in_channels = 9
    with pytest.raises(ValueError, match='the model does not take images of 32x32.*in_channels'):
        count_flops(bare, (32, 32))
