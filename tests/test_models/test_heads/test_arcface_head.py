import numpy as np
import pytest
import torch
from head_checks import EVERY_HEAD, LABELS, SOFT, X, double, maker, predict, softmax, total

from mmfer.models.heads.arcface_head import ArcFaceHead
from mmfer.models.heads.cosine_head import CosineHead

build = maker(ArcFaceHead)


@pytest.mark.parametrize('check', EVERY_HEAD)
def test_as_every_head(check):
    check(build)


def angles(head):
    x, w = double(X), double(head.weight)
    return np.arccos((x @ w.T) / np.linalg.norm(x, axis=1)[:, None] / np.linalg.norm(w, axis=1))


def moved(theta, margin):
    """cos(theta + margin) with its continuation, straight from the angles."""
    return np.where(theta + margin < np.pi, np.cos(theta + margin), np.cos(theta) - margin * np.sin(margin))


@pytest.mark.parametrize('margin', [0.0, 0.5, 1.5])
def test_loss_is_the_papers_equation(margin):
    head = build(scale=8.0, margin=margin)
    theta, rows = angles(head), np.arange(60)
    assert (theta[rows, LABELS] + 1.5 > np.pi).any(), 'the continuation is part of this test'
    logits = 8 * np.cos(theta)
    logits[rows, LABELS] = 8 * moved(theta, margin)[rows, LABELS]
    expected = -np.log(softmax(logits))[rows, LABELS].mean()
    assert total(head.losses(X, LABELS)).item() == pytest.approx(expected, abs=2e-5)


def test_a_soft_label_spreads_the_margin():
    head = build(scale=8.0, margin=0.4)
    log_probs = np.log(softmax(8 * moved(angles(head), 0.4 * double(SOFT))))
    assert total(head.losses(X, SOFT)).item() == pytest.approx(-(double(SOFT) * log_probs).sum(1).mean(), abs=2e-5)
    one_hot = torch.eye(3)[LABELS]
    assert torch.allclose(total(head.losses(X, one_hot)), total(head.losses(X, LABELS)))


@pytest.mark.parametrize('margin', [0.2, 0.5, 1.0])
def test_the_margin_is_monotonic_and_its_gradient_finite(margin):
    head = build(margin=margin)
    cosine = torch.cos(torch.linspace(0, torch.pi, 1001)).clamp(-1, 1).unsqueeze(1).requires_grad_()
    out = head.with_margin(cosine, torch.ones_like(cosine))
    assert (out.diff(dim=0) < 1e-6).all(), 'falls as the angle grows'
    assert (out <= cosine + 1e-6).all()
    out.sum().backward()
    assert cosine.grad.isfinite().all()


def test_predictions_have_no_margin():
    plain = maker(CosineHead)(scale=64.0)
    assert torch.equal(predict(build(), X)['pred_score'], predict(plain, X)['pred_score'])


@pytest.mark.parametrize('wrong', [dict(scale=0.0), dict(margin=-0.1), dict(margin=2.0)])
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        build(**wrong)
