import numpy as np
import pytest
import torch
from head_checks import EVERY_HEAD, LABELS, SOFT, X, double, maker, predict, softmax
from scipy.special import rel_entr

from mmfer.models.heads.ldl_head import LDLHead
from mmfer.models.losses.label_distribution_loss import LabelDistributionLoss

build = maker(LDLHead)


@pytest.mark.parametrize('check', EVERY_HEAD)
def test_as_every_head(check):
    check(build)


def test_loss_is_the_divergence_from_the_votes():
    head = build()
    probs = softmax(double(X) @ double(head.fc.weight).T + double(head.fc.bias))
    weight = double(SOFT).sum(1)
    expected = (weight * rel_entr(double(SOFT) / weight[:, None], probs).sum(1)).mean()
    losses = head.losses(X, SOFT)
    assert losses.keys() == {'loss_kl'}
    assert losses['loss_kl'].item() == pytest.approx(expected, abs=1e-5)


def test_a_label_without_votes_is_smoothed():
    head = build(loss=dict(type=LabelDistributionLoss, label_smoothing=0.3))
    probs = softmax(double(X) @ double(head.fc.weight).T + double(head.fc.bias))
    smooth = 0.7 * np.eye(3)[LABELS] + 0.1
    expected = rel_entr(smooth, probs).sum(1).mean()
    assert head.losses(X, LABELS)['loss_kl'].item() == pytest.approx(expected, abs=1e-5)


def test_trained_on_votes_it_predicts_them():
    head = build()
    optimizer = torch.optim.Adam(head.parameters(), lr=0.1)
    x, target = X[:2], torch.tensor([[0.5, 0.3, 0.1], [0.1, 0.7, 0.2]])  # the first lacks a vote
    for _ in range(300):
        optimizer.zero_grad()
        loss = head.losses(x, target)['loss_kl']
        loss.backward()
        optimizer.step()
    assert loss.item() == pytest.approx(0, abs=1e-5)
    assert torch.allclose(predict(head, x)['pred_score'], target / target.sum(-1, keepdim=True), atol=1e-3)
