import numpy as np
import pytest
import torch
from head_checks import EVERY_HEAD, LABELS, SOFT, X, double, maker, predict, softmax

from mmfer.models import SoftCrossEntropyLoss
from mmfer.models.heads.mse_head import MSEHead

build = maker(MSEHead)


@pytest.mark.parametrize('check', EVERY_HEAD)
def test_as_every_head(check):
    check(build)


def test_loss_is_the_squared_error_of_the_softmax():
    head = build()
    probs = softmax(double(X) @ double(head.fc.weight).T + double(head.fc.bias))
    losses = head.losses(X, LABELS)
    assert losses.keys() == {'loss_mse'}
    expected = ((probs - np.eye(3)[LABELS]) ** 2).sum(1).mean()
    assert losses['loss_mse'].item() == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(double(predict(head, X)['pred_score']), probs, atol=1e-6)


def test_trained_on_soft_labels_it_predicts_them():
    head = build()
    optimizer = torch.optim.SGD(head.parameters(), lr=0.2)  # small steps: where the softmax saturates nothing is learnt
    x, target = X[:2] / 5, torch.tensor([[0.5, 0.3, 0.1], [0.1, 0.7, 0.2]])  # the first lacks a vote
    for _ in range(1000):
        optimizer.zero_grad()
        head.losses(x, target)['loss_mse'].backward()
        optimizer.step()
    expected = target / target.sum(-1, keepdim=True)
    assert torch.allclose(predict(head, x)['pred_score'], expected, atol=1e-3)


def test_another_loss():
    head = build(loss=dict(type=SoftCrossEntropyLoss))
    expected = torch.nn.functional.cross_entropy(head.fc(X), SOFT)
    assert torch.allclose(head.losses(X, SOFT)['loss_mse'], expected)
