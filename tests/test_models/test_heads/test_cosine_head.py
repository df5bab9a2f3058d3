import numpy as np
import pytest
import torch
from head_checks import EVERY_HEAD, LABELS, SOFT, X, double, maker, predict, softmax, total

from mmfer.models.heads.cosine_head import CosineHead

build = maker(CosineHead)


@pytest.mark.parametrize('check', EVERY_HEAD)
def test_as_every_head(check):
    check(build)


def cosines(head):
    x, w = double(X), double(head.weight)
    return (x @ w.T) / np.linalg.norm(x, axis=1)[:, None] / np.linalg.norm(w, axis=1)


def test_logits_are_scaled_cosines():
    head = build(scale=5.0)
    np.testing.assert_allclose(double(head(X)), 5 * cosines(head), atol=1e-5)
    np.testing.assert_allclose(double(predict(head, X)['pred_score']), softmax(5 * cosines(head)), atol=1e-6)


def test_loss_is_their_cross_entropy():
    head = build(scale=5.0)
    log_probs = np.log(softmax(5 * cosines(head)))
    assert total(head.losses(X, LABELS)).item() == pytest.approx(-log_probs[np.arange(60), LABELS].mean(), abs=1e-5)
    assert total(head.losses(X, SOFT)).item() == pytest.approx(-(double(SOFT) * log_probs).sum(1).mean(), abs=1e-5)


def test_lengths_do_not_matter():
    head = build()
    assert torch.allclose(head(X), head(7 * X), atol=1e-4)


def test_the_largest_score_is_the_documented_one():
    head = build(scale=2.0)
    with torch.no_grad():
        head.weight[:] = torch.eye(3, 8)
        head.weight[1:] = -head.weight[0]
    assert predict(head, head.weight[:1])['pred_score'][0, 0].item() == pytest.approx(
        1 / (1 + 2 * np.exp(-4)), abs=1e-6
    )


def test_wrong_scale():
    with pytest.raises(ValueError, match='scale'):
        build(scale=0.0)
