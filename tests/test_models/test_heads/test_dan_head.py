import pytest
import torch
from head_checks import EVERY_HEAD, maker, samples
from mmpretrain.models import GlobalAveragePooling, ImageClassifier
from torch.nn import functional as F

from mmfer.models import DANHead, DANNeck, FaceResNet, LinearHead, VICHead

build = maker(DANHead)


@pytest.mark.parametrize('check', EVERY_HEAD, ids=lambda check: check.__name__)
def test_as_every_head(check):
    check(build)


def features(num_heads=4):
    maps = torch.randn(5, 8, 3, 3)
    heads = torch.randn(5, num_heads, 8).log_softmax(1)
    return maps, heads, heads.sum(1)


def test_losses_by_hand():
    head = build(affinity_weight=0.5, partition_weight=2.0)
    maps, heads, x = feats = features()
    labels = torch.tensor([2, 0, 1, 1, 0])
    losses = head.loss(feats, samples(labels.tolist()))
    logits = head.fc(x)
    z = (logits - logits.mean(0)) / (logits.var(0, unbiased=False) + head.bn.eps).sqrt()
    torch.testing.assert_close(losses['loss_ce'], F.cross_entropy(z, labels))
    centers = head.affinity_loss.centers
    distances = (maps.mean((2, 3)) - centers[labels]).square().sum(1).mean()
    torch.testing.assert_close(losses['loss_affinity'], 0.5 * distances / centers.var(0).sum())
    torch.testing.assert_close(losses['loss_partition'], 2 * torch.log(1 + 4 / heads.var(1).mean()))
    assert set(losses) == {'loss_ce', 'loss_affinity', 'loss_partition'}


def test_behind_features_without_attention():
    head, x = build(), torch.randn(5, 8)
    labels = [2, 0, 1, 1, 0]
    for feats in ((x,), (torch.randn(5, 16, 3, 3), torch.randn(5, 8, 3, 3), x)):
        losses = head.loss(feats, samples(labels))
        assert set(losses) == {'loss_ce', 'loss_affinity'}
        torch.testing.assert_close(losses['loss_affinity'], head.affinity_loss(x, torch.tensor(labels)))


@pytest.mark.parametrize('other', [LinearHead, VICHead])
def test_other_heads_read_the_fused_feature(other):
    model = ImageClassifier(FaceResNet(18, width=8, layout='small'), DANNeck(64, 2), other(3, 64))
    losses = model(torch.randn(3, 3, 16, 16), samples([0, 2, 1]), mode='loss')
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in model.neck.parameters())


def test_behind_a_plain_network():
    model = ImageClassifier(FaceResNet(18, width=8, layout='small'), GlobalAveragePooling(), DANHead(3, 64))
    assert set(model(torch.randn(3, 3, 16, 16), samples([0, 2, 1]), mode='loss')) == {'loss_ce', 'loss_affinity'}
