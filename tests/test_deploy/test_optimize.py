import copy
import pickle
import warnings

import numpy as np
import pytest
import torch
from exports import config_of, write
from processes import ROOT
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from trial import build_model

from mmfer.apis import init_model, load_config
from mmfer.deploy import OptimizedClassifier, optimize
from mmfer.deploy import packed as packing
from mmfer.deploy.packed import FusedConv2d, FusedLinear, can_pack
from mmfer.inference.classifiers import TorchClassifier
from mmfer.models.layers import CrossFusion

CONFIGS = sorted({folder.parent / 'synth.py' for folder in ROOT.glob('configs/[!_]*/synth.py')})
CONFIGS += [ROOT / f'configs/{name}' for name in ('poster_var/raf.py', 'resnet/synth_r50.py', 'ir_net/fer2013_tiny.py')]
TOLERANCE = 1e-5  # of the largest value; measured: 2.1e-6 for logits


@pytest.fixture(params=['all', 'large', 'none'])
def packed(request, monkeypatch):
    """Which layers have packed weights: the large ones is the usual, none that of GPUs and other builds of PyTorch."""
    if request.param != 'none' and not can_pack():
        pytest.skip('this build of PyTorch packs no weights')
    monkeypatch.setattr(optimize, 'can_pack', lambda: request.param != 'none')
    if request.param == 'all':
        for name in ('SMALL_MAP', 'SMALL_CONV', 'SMALL_LINEAR'):
            monkeypatch.setattr(packing, name, 0)
    return request.param


def network(path):
    """The model of a config with weights and statistics that leave no mistake hidden, and images for it."""
    config = load_config(path)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        model, _ = build_model(config)
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            if module.weight is None:
                continue
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
        elif isinstance(module, nn.PReLU):
            nn.init.uniform_(module.weight, -0.3, 0.6)
        elif isinstance(module, CrossFusion):
            for scale in (module.gamma1, module.gamma2):
                nn.init.uniform_(scale, 0.1, 1)
    steps = config.test_dataloader.dataset.pipeline
    size = next((step[key] for step in steps for key in ('scale', 'size') if step.get(key)), 40)
    size = size if isinstance(size, int) else size[0]
    return model.eval(), torch.randn(3, 3, size, size)


def difference(found, expected):
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: f'{path.parent.name}-{path.stem}')
def test_outputs_of_every_network_are_the_same(path, monkeypatch, packed):
    model, images = network(path)
    with torch.no_grad():
        feats, logits = model.extract_feat(images), model(images, mode='tensor')
    fast = OptimizedClassifier(model)
    monkeypatch.setattr(optimize, 'PIXELS', 2 * images[0, 0].numel())  # two images, then one
    found = fast.extract_feat(images)
    feats = feats if isinstance(feats, tuple) else (feats,)
    assert [x.shape for x in found] == [x.shape for x in feats]
    # By plain kernels DAN's attention heads, read in training alone, differ by 1.1e-5; the original errs by 4e-6.
    read = slice(None) if packed == 'all' or path.parent.name != 'dan' else slice(-1, None)
    assert max(difference(*pair) for pair in zip(found[read], feats[read])) < TOLERANCE
    assert difference(fast(images), logits) < TOLERANCE
    assert packed != 'none' or not any(getattr(m, 'packed', False) for m in fast.modules())
    folded = [m for part in (fast.backbone, fast.neck) for m in part.modules() if isinstance(m, _BatchNorm)]
    assert folded == []
    assert not any(p.requires_grad for p in fast.parameters())


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: f'{path.parent.name}-{path.stem}')
def test_every_feature_is_the_same_function(path):
    """In double precision, where rounding hides nothing."""
    model, images = network(path)
    images = images.double()
    with torch.no_grad():
        feats = model.double().extract_feat(images)
    fast = OptimizedClassifier(model)
    with torch.inference_mode():
        found = fast.neck(fast.backbone(images))
    found, feats = (x if isinstance(x, tuple) else (x,) for x in (found, feats))
    assert len(found) == len(feats)
    assert max(difference(*pair) for pair in zip(found, feats)) < 1e-13


@pytest.mark.parametrize('name', ['poster_var', 'dan', 'mobilenet_v3', 'vit'])
def test_it_can_be_pickled_and_copied(name, packed):
    """Before and after use, and again what came out of it."""
    model, images = network(ROOT / f'configs/{name}/synth.py')
    fast = OptimizedClassifier(model)
    fresh = pickle.dumps(fast)
    expected = fast(images)
    again = pickle.loads(pickle.dumps(fast))
    for other in (pickle.loads(fresh), again, copy.deepcopy(fast), copy.deepcopy(again)):
        assert torch.equal(other(images), expected)
    assert torch.equal(fast(images), expected)
    kinds = [[getattr(m, 'packed', None) for m in net.modules()] for net in (fast, again)]
    assert kinds[0] == kinds[1]


def test_packed_layers_are_unpickled_where_weights_cannot_be_packed(monkeypatch):
    if not can_pack():
        pytest.skip('this build of PyTorch packs no weights')
    layers = FusedConv2d(nn.Conv2d(128, 128, 3), packed=True), FusedLinear(nn.Linear(256, 256), packed=True)
    maps = torch.randn(1, 128, 8, 8), torch.randn(2, 256)
    expected = [layer(x) for layer, x in zip(layers, maps)]
    data = pickle.dumps(layers)
    monkeypatch.setattr(packing, 'can_pack', lambda: False)
    others = pickle.loads(data)
    assert not any(other.packed or other.weight is None for other in others)
    for other, x, y in zip(others, maps, expected):
        torch.testing.assert_close(other(x), y, rtol=1e-5, atol=1e-6)


def test_only_large_layers_are_packed():
    if not can_pack():
        pytest.skip('this build of PyTorch packs no weights')
    small, large = (FusedConv2d(nn.Conv2d(n, n, 3), packed=True) for n in (64, 128))
    for fused, size, expected in ((small, 4, False), (small, 18, True), (small, 4, False), (large, 4, True)):
        x = torch.randn(1, fused.bias.numel(), size, size)
        fused(x)
        assert fused._weight.is_mkldnn is expected, (fused, size)
    assert [FusedLinear(nn.Linear(n, 256), packed=True).packed for n in (255, 256)] == [False, True]


def test_an_image_alone_is_as_in_a_batch():
    model, images = network(ROOT / 'configs/poster_var/synth.py')
    fast = OptimizedClassifier(model)
    assert difference(torch.cat([fast(image[None]) for image in images]), fast(images)) < TOLERANCE
    contiguous = fast(images.contiguous(memory_format=torch.channels_last))
    assert difference(contiguous, fast(images)) < TOLERANCE


def test_the_original_stays_as_it_is():
    model, images = network(ROOT / 'configs/poster_var/synth.py')
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        logits = model(images, mode='tensor')
    fast = OptimizedClassifier(model)
    fast(images)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with torch.no_grad():
        assert torch.equal(model(images, mode='tensor'), logits)
    model.backbone.image.stem[0].weight.data.zero_()
    assert difference(fast(images), logits) < TOLERANCE  # and it is no view of the original


def test_it_only_predicts(packed):
    model, images = network(ROOT / 'configs/resnet/synth.py')
    fast = OptimizedClassifier(model)
    assert not fast(images.requires_grad_()).requires_grad
    samples = fast(images, mode='predict')
    assert [tuple(sample.pred_score.shape) for sample in samples] == [(7,)] * 3
    with pytest.raises(RuntimeError, match='only predicts'):
        fast.train()
    with pytest.raises(ValueError, match="mode='loss'"):
        fast(images, mode='loss')
    with pytest.raises(TypeError, match='no backbone, head'):
        OptimizedClassifier(nn.Linear(2, 2))


def test_autocast_leaves_it_in_single_precision(packed):
    model, images = network(ROOT / 'configs/poster_var/synth.py')
    fast = OptimizedClassifier(model)
    expected = fast.extract_feat(images)[-1]
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(fast.extract_feat(images)[-1], expected)


def test_init_model_and_the_inferencer_use_it(tmp_path):
    path = write(config_of(), tmp_path / 'model.pth', abstention=dict(threshold=0.5))
    config = config_of()
    plain, fast = (init_model(config, path, optimize=optimize) for optimize in (False, True))
    assert isinstance(fast, OptimizedClassifier)
    assert (fast.classes, fast.abstention) == (plain.classes, plain.abstention)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert difference(fast(images), plain(images, mode='tensor')) < TOLERANCE
    pixels = np.random.RandomState(0).randint(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    quick, eager = TorchClassifier(config, path), TorchClassifier(config, path, optimize=False)
    assert isinstance(quick.model, OptimizedClassifier)
    assert not isinstance(eager.model, OptimizedClassifier)
    found, expected = quick(pixels), eager(pixels)
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-5, err_msg=name)
    data = dict(inputs=list(torch.from_numpy(pixels)), data_samples=None)
    scores = np.stack([sample.pred_score.numpy() for sample in fast.test_step(data)])
    np.testing.assert_allclose(scores, expected['pred_score'], rtol=0, atol=1e-5)


@pytest.mark.parametrize('act', ['none', 'relu', 'gelu'])
@pytest.mark.parametrize('size', [(6, 5), (9, 8)])
def test_layers(packed, act, size):
    torch.manual_seed(0)
    convs = [nn.Conv2d(4, 8, 3, 2, 1), nn.Conv2d(4, 4, (1, 3), groups=4, bias=False), nn.Conv2d(4, 6, 3, dilation=2)]
    function = dict(none=lambda x: x, relu=torch.relu, gelu=nn.functional.gelu)[act]
    with torch.no_grad():
        for conv in convs:
            fused = FusedConv2d(conv, act, packed != 'none')
            for shape in (size, (7, 7), size):  # the weights are packed again for maps of another size
                x = torch.randn(2, 4, *shape)
                expected = conv(x)
                torch.testing.assert_close(fused(x), function(expected), rtol=1e-5, atol=1e-6)
                add = torch.randn_like(expected)
                torch.testing.assert_close(fused(x, add), function(expected + add), rtol=1e-5, atol=1e-6)
        for linear in (nn.Linear(5, 3), nn.Linear(5, 3, bias=False)):
            x = torch.randn(2, 5, *size).transpose(1, 3)
            fused = FusedLinear(linear, act, packed != 'none')
            torch.testing.assert_close(fused(x), function(linear(x)), rtol=1e-5, atol=1e-6)


def test_padding_that_it_does_not_know():
    for conv in (nn.Conv2d(2, 2, 3, padding='same'), nn.Conv2d(2, 2, 3, padding=1, padding_mode='reflect')):
        with pytest.raises(ValueError, match='padding'):
            FusedConv2d(conv)
