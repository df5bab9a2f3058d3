import math

import pytest
import torch
from head_checks import EVERY_HEAD, maker
from mmpretrain.structures import DataSample
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from mmfer.models import VICHead


def build(**kwargs):
    torch.manual_seed(0)
    head = VICHead(num_classes=3, in_channels=4, **kwargs)
    torch.nn.init.normal_(head.fc_logvar.weight)
    return head


X = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
LABELS = torch.tensor([0, 1, 2, 2, 1, 0])
SAMPLES = [DataSample().set_gt_label(label) for label in LABELS]


def test_one_sample_is_the_published_loss():
    head = build()
    torch.manual_seed(7)
    loss = head.loss((X,), SAMPLES)
    torch.manual_seed(7)
    z = head.fc_mean(X) + torch.randn(1, 6, 3)[0] * torch.exp(head.fc_logvar(X) / 2)
    assert loss.keys() == {'loss_ce'}
    assert torch.allclose(loss['loss_ce'], F.cross_entropy(z, LABELS))


def test_samples_are_averaged():
    head = build(num_samples=5)
    torch.manual_seed(7)
    loss = head.loss((X,), SAMPLES)['loss_ce']
    torch.manual_seed(7)
    noise = torch.randn(5, 6, 3)
    z = head.fc_mean(X) + noise * torch.exp(head.fc_logvar(X) / 2)
    assert torch.allclose(loss, torch.stack([F.cross_entropy(s, LABELS) for s in z]).mean())


def test_soft_labels_with_several_samples():
    head = build(num_samples=4)
    target = torch.tensor([[0.5, 0.2, 0.1]] * 6)
    soft = [DataSample().set_gt_label(0).set_gt_score(t) for t in target]
    torch.manual_seed(7)
    loss = head.loss((X,), soft)['loss_ce']
    torch.manual_seed(7)
    z = head.fc_mean(X) + torch.randn(4, 6, 3) * torch.exp(head.fc_logvar(X) / 2)
    assert torch.allclose(loss, -(target * z.log_softmax(-1)).sum(-1).mean())


def test_kl_is_the_divergence_from_the_standard_normal():
    head = build(kl_weight=0.3)
    loss = head.loss((X,), SAMPLES)['loss_kl']
    q = Normal(head.fc_mean(X), torch.exp(head.fc_logvar(X) / 2))
    assert torch.allclose(loss, 0.3 * kl_divergence(q, Normal(0.0, 1.0)).sum(-1).mean(), atol=1e-6)


def test_prediction_at_the_mean():
    head = build().eval()
    for i, sample in enumerate(head.predict((X,))):
        assert torch.equal(sample.pred_score, head.fc_mean(X).softmax(-1)[i])
        assert torch.equal(sample.pred_mean, head.fc_mean(X)[i])
        assert torch.allclose(sample.pred_std, head.fc_logvar(X)[i].exp().sqrt())
        assert sample.uncertainty == sample.aleatoric
        assert sample.epistemic == 0


def test_expected_prediction():
    head = build(integrate=True).eval()
    first = head.requires_grad_(False).predict((X,))
    z = head.fc_mean(X) + torch.randn(40000, 1, 3) * torch.exp(head.fc_logvar(X) / 2)
    probs = z.softmax(-1)
    for i, sample in enumerate(first):
        assert torch.allclose(sample.pred_score, probs.mean(0)[i], atol=0.01)
        assert sample.pred_score.sum() == pytest.approx(1, abs=1e-5)
        assert 0 <= sample.aleatoric <= sample.uncertainty <= math.log(3)
        assert sample.aleatoric + sample.epistemic == pytest.approx(float(sample.uncertainty), abs=1e-6)


@pytest.mark.parametrize('check', EVERY_HEAD)
@pytest.mark.parametrize('options', [dict(), dict(kl_weight=0.1, num_samples=2, integrate=True)], ids=['plain', 'kl'])
def test_as_every_head(check, options):
    check(maker(VICHead, **options))


@pytest.mark.parametrize('wrong', [dict(kl_weight=-1.0), dict(num_samples=0)])
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        build(**wrong)
