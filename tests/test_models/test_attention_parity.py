"""DAN, DDAMFN, SCN and EAC against the recorded outputs of their authors' code, from a released file on."""

import golden
import numpy as np
import pytest
import torch
from head_checks import samples

from mmfer.apis import init_model
from mmfer.models.two_view_preprocessor import second_views

ROOT = golden.GOLDEN.parents[2]


def statistics(x):
    x = x.detach().double().flatten()
    return torch.stack([x.mean(), x.std(), x.abs().max(), x[0], x[-1]]).numpy()


def close(value, recorded, name):
    """To 1e-4 of the largest recorded value."""
    np.testing.assert_allclose(value, recorded, rtol=0, atol=1e-4 * np.abs(recorded).max(), err_msg=name)


def run(arch, config, size=224, batch=2):
    """The converted model, its features and the recorded outputs; logits are compared."""
    model, recorded = init_model(config, golden.converted(arch, config)), np.load(golden.GOLDEN / f'{arch}.npz')
    with torch.no_grad():
        feats = model.extract_feat(golden.images(batch, size))
        close(model.head(feats).numpy(), recorded['logits'], 'logits')
    return model, feats, recorded


@torch.no_grad()
def test_dan():
    model, (maps, heads, x), recorded = run('dan_7', ROOT / 'configs/dan/raf.py')
    close(statistics(maps), recorded['features'], 'features')
    close(heads.numpy(), recorded['heads'], 'heads')
    model.head.affinity_loss.centers.copy_(golden.fill_tensor('affinity.centers', [7, 512]))
    losses = model.head.losses(x, golden.labels(2, 7), maps.mean((2, 3)), heads)
    assert float(losses['loss_ce']) == pytest.approx(float(recorded['cross_entropy']), rel=1e-6)
    assert float(losses['loss_affinity']) == pytest.approx(float(recorded['affinity_loss']), rel=1e-6)
    assert float(losses['loss_partition']) == pytest.approx(float(recorded['partition_loss']), rel=1e-5)


def test_centres_that_dan_does_not_save_begin_anew():
    names = golden.state_dict('dan_7')
    assert not any('affinity' in name for name in names)
    model = init_model(ROOT / 'configs/dan/raf.py', golden.converted('dan_7', ROOT / 'configs/dan/raf.py'))
    assert 0.8 < model.head.affinity_loss.centers.std() < 1.2


@torch.no_grad()
def test_ddamfn():
    model, (attention, x), recorded = run('ddamfn_7', ROOT / 'configs/ddamfn/raf.py', size=112)
    close(statistics(model.backbone(golden.images(2, 112))[-1]), recorded['features'], 'features')
    close(statistics(attention), recorded['attention'], 'attention')
    losses = model.head.losses(x, golden.labels(2, 7), attention)
    assert float(losses['loss_ce']) == pytest.approx(float(recorded['cross_entropy']), rel=1e-6)
    assert float(losses['loss_attention']) == pytest.approx(0.1 * float(recorded['attention_loss']), rel=1e-5)


@torch.no_grad()
def test_scn():
    model, feats, recorded = run('scn_7', ROOT / 'configs/scn/raf.py', batch=8)
    np.testing.assert_allclose(model.head.importance(feats[-1]).numpy(), recorded['alpha'], rtol=0, atol=1e-4)
    losses = model.head.loss(feats, samples(golden.labels(8, 7).tolist()))
    assert float(losses['loss_rank']) == pytest.approx(float(recorded['rank_regularisation']), abs=1e-4)
    assert float(losses['loss_ce']) == pytest.approx(float(recorded['cross_entropy']), abs=1e-4)
    assert (model.head(feats).argmax(1).numpy() == recorded['predicted']).all()


@torch.no_grad()
def test_eac():
    model, (maps,), recorded = run('eac_7', ROOT / 'configs/eac/raf.py')
    (flipped,) = model.extract_feat(golden.images(2).flip(-1))
    close(model.head((flipped,)).numpy(), recorded['logits_flipped_input'], 'logits of the flipped images')
    for name, x in (('attention', maps), ('attention_flipped_input', flipped)):
        np.testing.assert_allclose(statistics(model.head.attention(x)), recorded[name], rtol=0, atol=3e-5)
    images = samples(golden.labels(2, 7).tolist())
    losses = model.head.loss((torch.cat([maps, flipped]),), images + second_views(images))
    assert float(losses['loss_consistency']) == pytest.approx(5 * float(recorded['consistency_loss']), rel=1e-3)
    assert float(losses['loss_ce']) == pytest.approx(float(recorded['cross_entropy']), abs=1e-4)
