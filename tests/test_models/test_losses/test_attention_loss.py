import pytest
import torch

from mmfer.models.losses import AttentionLoss


def test_the_formula():
    attention = torch.rand(2, 3, 4, 5, 5)
    a, b, c = attention.double().unbind(1)
    errors = [((one - other) ** 2).mean() for one, other in ((a, b), (a, c), (b, c))]
    assert AttentionLoss(loss_weight=0.2)(attention).item() == pytest.approx(0.2 * 3 / float(sum(errors)), rel=1e-5)


def test_heads_that_differ_more_cost_less():
    attention = torch.rand(2, 2, 4, 5, 5)
    loss = AttentionLoss()
    assert loss(attention * 3) < loss(attention)


def test_one_head_and_equal_heads():
    one = torch.rand(2, 1, 4, 5, 5, requires_grad=True)
    loss = AttentionLoss()(one)
    loss.backward()
    assert loss == 0
    assert not one.grad.any()
    equal = torch.ones(2, 2, 4, 5, 5, requires_grad=True)
    loss = AttentionLoss()(equal)
    loss.backward()
    assert loss.isfinite()
    assert equal.grad.isfinite().all()


def test_wrong_weight():
    with pytest.raises(ValueError, match='loss_weight=-1'):
        AttentionLoss(loss_weight=-1)
