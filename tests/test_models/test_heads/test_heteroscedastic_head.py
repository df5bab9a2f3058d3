import numpy as np
import pytest
import torch
from head_checks import EVERY_HEAD, LABELS, SOFT, X, double, maker, predict, softmax

from mmfer.models import VICHead
from mmfer.models.heads.heteroscedastic_head import HeteroscedasticHead
from mmfer.models.losses.focal_loss import FocalLoss

build = maker(HeteroscedasticHead)


@pytest.mark.parametrize('check', EVERY_HEAD)
def test_as_every_head(check):
    check(build)


def sampled(head, noise):
    """Probabilities (S, B, K) of the samples, in NumPy."""
    x = double(X)
    mean = x @ double(head.fc_mean.weight).T + double(head.fc_mean.bias)
    std = np.exp(x @ double(head.fc_logvar.weight).T + double(head.fc_logvar.bias)) ** 0.5
    return softmax(mean + double(noise) * std)


def test_loss_is_the_log_of_the_mean_likelihood():
    head = build(num_samples=7)
    torch.manual_seed(5)
    losses = head.losses(X, LABELS)
    torch.manual_seed(5)
    likelihood = sampled(head, torch.randn(7, 60, 3))[:, np.arange(60), LABELS].mean(0)
    assert losses.keys() == {'loss_ce'}
    assert losses['loss_ce'].item() == pytest.approx(-np.log(likelihood).mean(), abs=1e-5)


def test_soft_labels_and_another_loss():
    for loss, gamma in ((None, 0), (dict(type=FocalLoss, gamma=2.0), 2)):
        head = build(num_samples=7, loss=loss)
        torch.manual_seed(5)
        value = head.losses(X, SOFT)['loss_ce'].item()
        torch.manual_seed(5)
        probs = sampled(head, torch.randn(7, 60, 3)).mean(0)
        expected = -(double(SOFT) * (1 - probs) ** gamma * np.log(probs)).sum(1).mean()
        assert value == pytest.approx(expected, abs=1e-5)


def test_one_sample_is_vich():
    head, vich = build(num_samples=1), maker(VICHead)()
    torch.manual_seed(5)
    first = head.losses(X, LABELS)['loss_ce']
    torch.manual_seed(5)
    assert torch.allclose(first, vich.losses(X, LABELS)['loss_ce'], atol=1e-6)


def test_prediction_is_the_expectation():
    head = build()
    out = predict(head, X)
    probs = sampled(head, torch.randn(60_000, 1, 3, generator=torch.Generator().manual_seed(0)))
    aleatoric = -(probs * np.log(probs)).sum(-1).mean(0)
    near = double(out['pred_std']).max(1) < 6
    assert near.sum() > 30
    np.testing.assert_allclose(double(out['pred_score'])[near], probs.mean(0)[near], atol=0.01)
    np.testing.assert_allclose(double(out['aleatoric'])[near], aleatoric[near], atol=0.01)
    assert torch.equal(out['pred_mean'], head(X))
    assert torch.allclose(out['pred_std'], head.fc_logvar(X).exp().sqrt())


def test_at_the_mean_all_is_aleatoric():
    out = predict(build(integrate=False), X)
    assert torch.equal(out['uncertainty'], out['aleatoric'])
    assert torch.equal(out['pred_score'], out['pred_mean'].softmax(-1))


def test_learns_which_images_are_noisy():
    """Half of the features carry labels, those of the other half are drawn at random."""
    torch.manual_seed(0)
    x = torch.cat([X, X.roll(20, 0)])
    x = torch.cat([x, torch.ones(120, 1)], 1)
    x[60:, -1] = -1
    target = torch.cat([LABELS, torch.randint(0, 3, (60,))])
    head = build(in_channels=9)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(100):
        optimizer.zero_grad()
        head.losses(x, target)['loss_ce'].backward()
        optimizer.step()
    out = predict(head, x)
    assert out['pred_std'][60:].mean() > 2 * out['pred_std'][:60].mean()
    assert out['uncertainty'][60:].mean() > 2 * out['uncertainty'][:60].mean()


@pytest.mark.parametrize('wrong', [dict(num_samples=0)])
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        build(**wrong)
