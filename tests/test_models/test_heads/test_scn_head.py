import math

import golden
import numpy as np
import pytest
import torch
from mmpretrain.models import GlobalAveragePooling, ImageClassifier, ResNet
from mmpretrain.structures import DataSample
from torch.nn import functional as F

from mmfer.models.heads.scn_head import SCNHead
from mmfer.registry import MODELS

LAYERS = {'0': 'conv1', '1': 'bn1', '4': 'layer1', '5': 'layer2', '6': 'layer3', '7': 'layer4'}


def samples(labels, scores=None):
    out = [DataSample().set_gt_label(int(label)) for label in labels]
    for sample, score in zip(out, scores if scores is not None else []):
        sample.set_gt_score(score)
    return out


def build(**kwargs):
    torch.manual_seed(0)
    return SCNHead(num_classes=3, in_channels=4, **kwargs)


def renamed(name):
    """A name in the authors' checkpoints, in an ImageClassifier."""
    part, rest = name.split('.', 1)
    if part == 'features':
        layer, rest = rest.split('.', 1)
        return f'backbone.{LAYERS[layer]}.{rest}'
    return f'head.{name.replace("alpha.0", "alpha")}'


def test_recorded_outputs_of_the_original():
    manifest, recorded = golden.manifest('scn_7'), np.load(golden.GOLDEN / 'scn_7.npz')
    state = {
        renamed(name): golden.fill_tensor(name, shape, manifest['norm_scale']) for name, shape in manifest['entries']
    }
    model = ImageClassifier(ResNet(18), GlobalAveragePooling(), SCNHead(7, 512))
    model.load_state_dict(state, strict=True)
    model.eval()
    with torch.no_grad():
        feats = model.extract_feat(golden.images(8))
        logits = model.head(feats).numpy()
        importance = model.head.importance(feats[-1]).numpy()
        losses = model.head.loss(feats, samples(golden.labels(8, 7)))
    np.testing.assert_allclose(logits, recorded['logits'], rtol=0, atol=1e-4 * np.abs(recorded['logits']).max())
    np.testing.assert_allclose(importance, recorded['alpha'], rtol=0, atol=1e-4)
    assert float(losses['loss_rank']) == pytest.approx(float(recorded['rank_regularisation']), abs=1e-4)
    assert float(losses['loss_ce']) == pytest.approx(float(recorded['cross_entropy']), abs=1e-4)
    assert (logits.argmax(1) == recorded['predicted']).all()


def test_losses_by_hand():
    head, x = build(margin=0.9, ratio=0.5, rank_weight=2.0), torch.randn(5, 4)
    a = 1 / (1 + torch.exp(-(x @ head.alpha.weight.T + head.alpha.bias)))
    z = a * (x @ head.fc.weight.T + head.fc.bias)
    labels = [2, 0, 1, 1, 0]
    losses = head.loss((x,), samples(labels))
    torch.testing.assert_close(losses['loss_ce'], F.cross_entropy(z, torch.tensor(labels)))
    ranked = a.squeeze(1).sort(descending=True).values
    torch.testing.assert_close(losses['loss_rank'], 2 * (0.9 - ranked[:2].mean() + ranked[2:].mean()))


@pytest.mark.parametrize('size', [1, 2, 3, 7])
def test_every_batch_size_reaches_every_weight(size):
    head = build()
    losses = head.loss((torch.randn(size, 4),), samples([0] * size))
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())
    assert head.alpha.weight.grad.abs().sum() > 0
    if size == 1:
        assert losses['loss_rank'] == 0


def test_soft_labels():
    head, x = build(), torch.randn(2, 4)
    scores = torch.tensor([[0.5, 0.3, 0.1], [0.0, 0.6, 0.4]])
    loss = head.loss((x,), samples([0, 1], scores))['loss_ce']
    torch.testing.assert_close(loss, -(scores * head((x,)).log_softmax(-1)).sum(-1).mean())


def test_predictions():
    head, x = build().eval(), torch.randn(5, 4)
    with torch.no_grad():
        for i, sample in enumerate(head.predict((x,))):
            assert torch.equal(sample.pred_score, head((x,)).softmax(-1)[i])
            assert 0 <= sample.uncertainty <= math.log(3) + 1e-6
            assert sample.importance == head.importance(x)[i]
            assert 0 < sample.importance < 1


def test_learns_in_spite_of_noisy_labels():
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(0, 3, (300,), generator=generator)
    x = F.one_hot(truth, 4) * 3 + torch.randn(300, 4, generator=generator)
    noisy = torch.where(torch.rand(300, generator=generator) < 0.2, (truth + 1) % 3, truth)
    head = build()
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(100):
        losses = head.losses(x, noisy)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    assert losses['loss_rank'] < 0.01
    assert (head((x,)).argmax(1) == truth).float().mean() > 0.9


def test_exportable():
    head = build().eval()
    program = torch.export.export(head, ((torch.randn(2, 4),),))
    x = torch.randn(2, 4)
    torch.testing.assert_close(program.module()((x,)), head((x,)))


@pytest.mark.parametrize('wrong', [dict(margin=2.0), dict(ratio=1.5), dict(rank_weight=-1.0)])
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MODELS.build(dict(type='SCNHead', num_classes=3, in_channels=4, **wrong))
