import pytest
import torch
from head_checks import EVERY_HEAD, X, maker, predict, samples
from torch.nn import functional as F

from mmfer.models.heads.scn_head import SCNHead
from mmfer.registry import MODELS

build = maker(SCNHead)


@pytest.mark.parametrize('check', EVERY_HEAD, ids=lambda check: check.__name__)
def test_as_every_head(check):
    check(build)


def test_losses_by_hand():
    head, x = build(margin=0.9, ratio=0.5, rank_weight=2.0), torch.randn(5, 8)
    a = 1 / (1 + torch.exp(-(x @ head.alpha.weight.T + head.alpha.bias)))
    z = a * (x @ head.fc.weight.T + head.fc.bias)
    labels = [2, 0, 1, 1, 0]
    losses = head.loss((x,), samples(labels))
    torch.testing.assert_close(losses['loss_ce'], F.cross_entropy(z, torch.tensor(labels)))
    ranked = a.squeeze(1).sort(descending=True).values
    torch.testing.assert_close(losses['loss_rank'], 2 * (0.9 - ranked[:2].mean() + ranked[2:].mean()))


@pytest.mark.parametrize('size', [1, 2, 3, 7])
def test_every_batch_size_reaches_every_weight(size):
    head = build()
    losses = head.loss((torch.randn(size, 8),), samples([0] * size))
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())
    assert head.alpha.weight.grad.abs().sum() > 0
    if size == 1:
        assert losses['loss_rank'] == 0


@pytest.mark.parametrize('wrong', [dict(margin=2.0), dict(ratio=1.5)])
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MODELS.build(dict(type='SCNHead', num_classes=3, in_channels=4, **wrong))


def test_predictions_tell_the_importance():
    head = build()
    importance = predict(head, X)['importance']
    assert torch.equal(importance, head.importance(X).squeeze(1))
    assert ((importance > 0) & (importance < 1)).all()
