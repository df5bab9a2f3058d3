import numpy as np
import pytest
import torch
from head_checks import EVERY_HEAD, LABELS, SOFT, X, double, maker, predict, softmax, total

from mmfer.models.heads.am_softmax_head import AMSoftmaxHead
from mmfer.models.heads.cosine_head import CosineHead

build = maker(AMSoftmaxHead)


@pytest.mark.parametrize('check', EVERY_HEAD)
def test_as_every_head(check):
    check(build)


def cosines(head):
    x, w = double(X), double(head.weight)
    return (x @ w.T) / np.linalg.norm(x, axis=1)[:, None] / np.linalg.norm(w, axis=1)


def test_loss_is_the_papers_equation():
    head = build(scale=10.0, margin=0.2)
    cosine, rows = cosines(head), np.arange(60)
    own = np.exp(10 * (cosine[rows, LABELS] - 0.2))
    others = np.exp(10 * cosine).sum(1) - np.exp(10 * cosine[rows, LABELS])
    assert total(head.losses(X, LABELS)).item() == pytest.approx(-np.log(own / (own + others)).mean(), abs=1e-5)


def test_a_soft_label_spreads_the_margin():
    head = build(scale=10.0, margin=0.2)
    log_probs = np.log(softmax(10 * (cosines(head) - 0.2 * double(SOFT))))
    assert total(head.losses(X, SOFT)).item() == pytest.approx(-(double(SOFT) * log_probs).sum(1).mean(), abs=1e-5)
    one_hot = torch.eye(3)[LABELS]
    assert torch.allclose(total(head.losses(X, one_hot)), total(head.losses(X, LABELS)))


def test_predictions_have_no_margin():
    plain = maker(CosineHead)(scale=10.0)
    assert torch.equal(predict(build(scale=10.0), X)['pred_score'], predict(plain, X)['pred_score'])
    assert torch.equal(total(build(scale=10.0, margin=0.0).losses(X, LABELS)), total(plain.losses(X, LABELS)))


@pytest.mark.parametrize('wrong', [dict(scale=-1.0), dict(margin=-0.1)])
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        build(**wrong)
