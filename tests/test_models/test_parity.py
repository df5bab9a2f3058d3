"""The networks against the recorded outputs of the authors' code, from a released file to gradients."""

import json

import golden
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmfer.apis import init_model
from mmfer.models.released.names import to_mmfer

CONFIGS = {'poster_var_7': 'configs/poster_var/raf.py', 'poster_pp_7': 'configs/poster_pp/raf.py'}
ROOT = golden.GOLDEN.parents[2]


def statistics(x):
    x = x.detach().double().flatten()
    return torch.stack([x.mean(), x.std(), x.abs().max(), x[0], x[-1]]).numpy()


@pytest.fixture(scope='module', params=list(CONFIGS))
def run(request):
    """The converted model run forward and backward on the recorded input."""
    arch = request.param
    config = ROOT / CONFIGS[arch]
    model = init_model(config, golden.converted(arch, config))
    model.requires_grad_(True)
    model.backbone.frozen = False  # the recorded gradients include those of the landmark stream
    seen = {}

    def keep(name):
        return lambda module, inputs, output: seen.update({name: output})

    neck = model.neck
    for i, fusion in enumerate(neck.fusions):
        fusion.register_forward_hook(keep(f'fused_{i + 1}'))
    neck.token_norm.register_forward_hook(keep('tokens'))
    neck.register_forward_hook(keep('embedding'))
    model.backbone.register_forward_hook(keep('maps'))
    logits = model(golden.images(2), mode='tensor')
    loss = F.cross_entropy(logits, golden.labels(2, 7))
    loss.backward()
    seen.update(logits=logits, loss=loss, embedding=seen['embedding'][0])
    for i in range(3):
        seen[f'landmark_features_{i + 1}'] = seen['maps'][i]
        seen[f'image_features_{i + 1}'] = seen['maps'][3 + i]
    return arch, model, seen, np.load(golden.GOLDEN / f'{arch}.npz')


def test_outputs(run):
    arch, model, seen, recorded = run
    outputs = dict(logits=seen['logits'], embedding=seen['embedding'])
    if arch == 'poster_var_7':
        outputs.update(mu=model.head.fc_mean(seen['embedding']), logvar=model.head.fc_logvar(seen['embedding']))
    for name, value in outputs.items():
        np.testing.assert_allclose(value.detach().numpy(), recorded[name], rtol=0, atol=1e-4, err_msg=name)
    assert float(seen['loss']) == pytest.approx(float(recorded['loss']), abs=1e-5)


def test_inner_maps(run):
    arch, _, seen, recorded = run
    names = [f'{kind}_{i}' for kind in ('landmark_features', 'image_features', 'fused') for i in (1, 2, 3)]
    names += ['tokens'] if 'tokens' in recorded else []
    for name in names:
        np.testing.assert_allclose(statistics(seen[name]), recorded[name], rtol=0, atol=1e-4, err_msg=name)


def test_encoder_tokens(run):
    """All tokens behind the encoder, of which the model itself computes the class token only."""
    _, model, seen, recorded = run
    encoder = model.neck.encoder
    x = torch.cat([encoder.cls_token.expand(2, -1, -1), seen['tokens']], 1) + encoder.pos_embed
    for block in encoder.blocks:
        x = block(x)
    np.testing.assert_allclose(statistics(encoder.norm(x)), recorded['vit_tokens'], rtol=0, atol=1e-4)


def test_gradient_norms(run):
    arch, model, _, _ = run
    recorded = json.loads((golden.GOLDEN / f'{arch}_gradnorms.json').read_text())
    # a tensor holding its position finds each recorded name's place in mmfer
    order = {name: torch.tensor(i) for i, name in enumerate(recorded)}
    names = list(recorded)
    renamed, dropped = to_mmfer(order, 'poster_var' if arch == 'poster_var_7' else 'poster_pp')
    assert not dropped
    parameters = dict(model.named_parameters())
    for name, index in renamed.items():
        norm = float(parameters[name].grad.norm())
        assert norm == pytest.approx(recorded[names[int(index)]], rel=1e-3), name
    assert len(renamed) == len(recorded)


def test_size(run):
    """43.86 M are reached in the original, 96,016 of them for landmarks that nobody reads; mmfer leaves these out."""
    arch, model, _, _ = run
    size = sum(p.numel() for p in model.parameters())
    if arch == 'poster_var_7':
        assert size + 96_016 == 43_859_180
    assert all(p.grad is not None for name, p in model.named_parameters() if 'fc_logvar' not in name)


@torch.no_grad()
def test_poster():
    """POSTER, of which no gradients are recorded.

    Of its 71,850,399 parameters those of the output layer of IR-50, of the landmarks and of a class token are never
    reached.
    """
    config = ROOT / 'configs/poster/raf.py'
    model, recorded = init_model(config, golden.converted('poster_7', config)), np.load(golden.GOLDEN / 'poster_7.npz')
    seen = {'landmark_tokens': model.backbone(golden.images(2))[0].flatten(2).transpose(1, 2)}
    model.neck.image_projection.register_forward_hook(lambda module, inputs, output: seen.update(image_tokens=output))
    model.neck.norm.register_forward_hook(lambda module, inputs, output: seen.update(fused=output))
    embedding = model.extract_feat(golden.images(2))[-1]
    logits = model.head((embedding,))
    for name, value in seen.items():
        np.testing.assert_allclose(statistics(value), recorded[name], rtol=0, atol=1e-4, err_msg=name)
    for name, value in dict(embedding=embedding, logits=logits).items():
        scale = np.abs(recorded[name]).max()
        np.testing.assert_allclose(value.numpy(), recorded[name], rtol=0, atol=1e-4 * scale, err_msg=name)
    labels = golden.labels(2, 7)
    assert float(F.cross_entropy(logits, labels)) == pytest.approx(float(recorded['cross_entropy']), abs=1e-5)
    published = float(recorded['cross_entropy']) + 2 * float(F.cross_entropy(logits, labels, label_smoothing=0.2))
    assert float(model.head.loss_module(logits, labels)) == pytest.approx(published, abs=1e-5)
    assert sum(p.numel() for p in model.parameters()) == 71_850_399 - 12_847_616 - 96_016 - 512
