import numpy as np
import pytest
import torch
from head_checks import double, softmax
from sklearn.metrics import brier_score_loss

from mmfer.models.losses.brier_loss import BrierLoss

LOGITS = 2 * torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 3, 1, 0])


def test_labels():
    expected = ((softmax(double(LOGITS)) - np.eye(4)[LABELS]) ** 2).sum(1).mean()
    assert BrierLoss(loss_weight=2.0)(LOGITS, LABELS).item() == pytest.approx(2 * expected, abs=1e-6)


def test_two_classes_are_twice_the_usual_brier_score():
    probs = softmax(double(LOGITS[:, :2]))
    expected = 2 * brier_score_loss([0, 1, 1, 0, 1, 0], probs[:, 1])
    assert BrierLoss()(LOGITS[:, :2], torch.tensor([0, 1, 1, 0, 1, 0])).item() == pytest.approx(expected, abs=1e-6)


def test_soft_labels_are_the_mean_over_the_votes_but_for_a_constant():
    """Ten votes, each a label, of which two are missing: the same gradient."""
    votes = torch.tensor([5, 2, 1, 0])
    one, other = (LOGITS[:1].clone().requires_grad_() for _ in range(2))
    BrierLoss()(one, votes[None] / 10).backward()
    (sum(n / 10 * BrierLoss()(other, torch.tensor([k])) for k, n in enumerate(votes.tolist()))).backward()
    assert torch.allclose(one.grad, other.grad, atol=1e-6)


def test_no_votes_give_nothing():
    logits = LOGITS.clone().requires_grad_()
    loss = BrierLoss()(logits, torch.zeros(6, 4))
    loss.backward()
    assert loss == 0
    assert not logits.grad.any()


def test_extreme_logits_and_half_precision():
    logits = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0]], requires_grad=True)
    loss = BrierLoss()(logits, torch.tensor([0, 0]))
    loss.backward()
    assert loss.item() == 1
    assert logits.grad.isfinite().all()
    assert BrierLoss()(LOGITS.bfloat16(), LABELS).dtype == torch.float32


def test_gradient():
    logits = LOGITS.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: BrierLoss()(z, LABELS), logits)
