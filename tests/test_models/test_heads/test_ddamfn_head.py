import pytest
import torch
from head_checks import EVERY_HEAD, maker, samples
from mmpretrain.models import ImageClassifier
from torch.nn import functional as F

from mmfer.models import DDAMFNHead, DDAMFNNeck, LinearHead, MixedFeatureNet, VICHead

build = maker(DDAMFNHead)


@pytest.mark.parametrize('check', EVERY_HEAD, ids=lambda check: check.__name__)
def test_as_every_head(check):
    check(build)


def test_losses_by_hand():
    head = build(attention_weight=0.5)
    attention, x = torch.rand(5, 2, 8, 3, 3), torch.randn(5, 8)
    labels = torch.tensor([2, 0, 1, 1, 0])
    losses = head.loss((attention, x), samples(labels.tolist()))
    torch.testing.assert_close(losses['loss_ce'], F.cross_entropy(head.fc(x), labels))
    torch.testing.assert_close(losses['loss_attention'], 0.5 / F.mse_loss(attention[:, 0], attention[:, 1]))
    assert set(losses) == {'loss_ce', 'loss_attention'}


def test_behind_features_without_attention_it_is_a_linear_head():
    head, x = build(), torch.randn(5, 8)
    for feats in ((x,), (torch.randn(5, 16, 3, 3), x)):
        assert set(head.loss(feats, samples([2, 0, 1, 1, 0]))) == {'loss_ce'}


@pytest.mark.parametrize('other', [LinearHead, VICHead])
def test_other_heads_read_the_fused_feature(other):
    backbone = MixedFeatureNet(width=0.125, num_blocks=(1, 0, 1))
    model = ImageClassifier(backbone, DDAMFNNeck(64, feature_size=2), other(3, 64))
    losses = model(torch.randn(3, 3, 32, 32), samples([0, 2, 1]), mode='loss')
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in model.neck.parameters())
