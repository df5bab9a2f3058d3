import numpy as np
import pytest
import torch
from head_checks import EVERY_HEAD, LABELS, SOFT, X, double, maker, predict, total, train
from scipy.special import digamma, gammaln
from torch.distributions import Dirichlet, kl_divergence

from mmfer.models.heads.evidential_head import EvidentialHead, kl_to_uniform

build = maker(EvidentialHead, annealing_steps=20)


@pytest.mark.parametrize('check', EVERY_HEAD)
@pytest.mark.parametrize('evidence', ['softplus', 'exp'])
def test_as_every_head(check, evidence):
    check(maker(EvidentialHead, annealing_steps=20, evidence=evidence))


@pytest.mark.parametrize('check', [check for check in EVERY_HEAD if 'learns' not in check.__name__])
def test_relu_as_every_head(check):
    check(maker(EvidentialHead, annealing_steps=20, evidence='relu'))


def test_relu_does_not_learn_from_a_face_without_evidence():
    head = build(evidence='relu')
    torch.nn.init.constant_(head.fc.bias, -100.0)
    total(head.losses(X, LABELS)).backward()
    assert not head.fc.weight.grad.any()


@pytest.mark.parametrize('check', EVERY_HEAD)
def test_expected_cross_entropy_as_every_head(check):
    check(maker(EvidentialHead, annealing_steps=20, fit='ce'))


def concentration(head, evidence='softplus'):
    z = double(X) @ double(head.fc.weight).T + double(head.fc.bias)
    evidences = dict(softplus=np.logaddexp(0, z), exp=np.exp(z.clip(-10, 10)), relu=z.clip(0))
    return evidences[evidence] + 1


@pytest.mark.parametrize('evidence', ['softplus', 'exp', 'relu'])
def test_fits_are_the_papers_equations(evidence):
    for target in (LABELS, SOFT):
        t = double(target) if target.ndim == 2 else np.eye(3)[target]
        weight = t.sum(1)
        t = t / weight[:, None]
        for fit in ('mse', 'ce'):
            head = build(evidence=evidence, fit=fit)
            alpha = concentration(head, evidence)
            s = alpha.sum(1, keepdims=True)
            mse = ((t - alpha / s) ** 2 + alpha * (s - alpha) / (s**2 * (s + 1))).sum(1)
            expected = dict(mse=mse, ce=(t * (digamma(s) - digamma(alpha))).sum(1))[fit]
            assert head.losses(X, target)['loss_fit'].item() == pytest.approx((weight * expected).mean(), abs=1e-5)


def test_fits_are_expectations_under_the_dirichlet():
    """By brute force: the mean over many draws of what the equations state in closed form."""
    torch.manual_seed(0)
    head = build().double()
    alpha = head.concentration(X[:3].double()).detach()
    probs = Dirichlet(alpha).sample((200_000,))
    one_hot = torch.eye(3, dtype=torch.float64)[LABELS[:3]]
    brute = dict(mse=(probs - one_hot).square().sum(-1), ce=-(one_hot * probs.log()).sum(-1))
    for fit, value in brute.items():
        head.fit = fit
        loss = head.losses(X[:3].double(), LABELS[:3])['loss_fit'].item()
        assert loss == pytest.approx(value.mean().item(), rel=0.01)
    entropy = torch.special.entr(probs).sum(-1).mean(0)
    assert torch.allclose(predict(head, X[:3].double())['aleatoric'], entropy, atol=3e-3)


def test_divergence_from_the_uniform_dirichlet():
    alpha = torch.tensor([[1.0, 1.0, 1.0], [1.0, 5.0, 2.5], [30.0, 1.0, 700.0]], dtype=torch.float64)
    expected = kl_divergence(Dirichlet(alpha), Dirichlet(torch.ones_like(alpha)))
    assert torch.allclose(kl_to_uniform(alpha), expected)
    assert torch.allclose(kl_to_uniform(alpha.float()), expected.float())
    much = torch.cat([torch.ones(1), torch.full((6,), 22026.0)])  # the largest evidence of 'exp'
    expected = kl_divergence(Dirichlet(much.double()), Dirichlet(torch.ones(7).double()))
    assert kl_to_uniform(much[None]).item() == pytest.approx(expected.item(), rel=1e-6)


def test_divergence_leaves_out_the_label():
    head = build(annealing_steps=0, kl_weight=0.7)
    t = np.eye(3)[LABELS]
    a = t + (1 - t) * concentration(head)
    s = a.sum(1)
    log_ratio = gammaln(s) - gammaln(3) - gammaln(a).sum(1)
    kl = log_ratio + ((a - 1) * (digamma(a) - digamma(s)[:, None])).sum(1)
    assert head.losses(X, LABELS)['loss_kl'].item() == pytest.approx(0.7 * kl.mean(), abs=1e-5)


def test_annealing_counts_the_batches_of_training():
    head, full = build(annealing_steps=4), build(annealing_steps=0)
    whole = full.losses(X, LABELS)['loss_kl']
    shares = [(head.losses(X, LABELS)['loss_kl'] / whole).item() for _ in range(6)]
    assert shares == pytest.approx([0, 0.25, 0.5, 0.75, 1, 1])
    head.eval()
    head.losses(X, LABELS)
    assert head.steps == 6, 'validation does not count'


def test_annealing_goes_on_after_a_resume():
    head = build(annealing_steps=100)
    train(head, steps=7)
    other = build(annealing_steps=100)
    other.load_state_dict(head.state_dict())
    assert other.steps == 7
    assert torch.equal(other.losses(X, LABELS)['loss_kl'], head.losses(X, LABELS)['loss_kl'])


def test_no_divergence():
    assert build(kl_weight=0.0).losses(X, LABELS).keys() == {'loss_fit'}


def test_predictions():
    head = build()
    alpha = concentration(head)
    s = alpha.sum(1, keepdims=True)
    out = predict(head, X)
    np.testing.assert_allclose(double(out['pred_score']), alpha / s, atol=1e-6)
    np.testing.assert_allclose(double(head(X).softmax(-1)), alpha / s, atol=1e-6)
    np.testing.assert_allclose(double(out['vacuity']), 3 / s[:, 0], atol=1e-6)
    aleatoric = -(alpha / s * (digamma(alpha + 1) - digamma(s + 1))).sum(1)
    np.testing.assert_allclose(double(out['aleatoric']), aleatoric, atol=1e-5)


def test_without_evidence_everything_is_uncertain():
    head = build(evidence='relu')
    torch.nn.init.zeros_(head.fc.weight)
    torch.nn.init.constant_(head.fc.bias, -1.0)
    sample = head.predict((X,))[0]
    assert sample.vacuity == 1
    assert sample.uncertainty.item() == pytest.approx(np.log(3), abs=1e-6)


@pytest.mark.parametrize(
    'wrong', [dict(evidence='tanh'), dict(fit='mae'), dict(kl_weight=-1.0), dict(annealing_steps=-1)]
)
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        build(**wrong)
