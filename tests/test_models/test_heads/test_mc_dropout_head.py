import numpy as np
import pytest
import torch
from head_checks import EVERY_HEAD, FAR, LABELS, X, double, maker, predict, softmax, train
from torch.nn import functional as F

from mmfer.models import LinearHead
from mmfer.models.heads.mc_dropout_head import MCDropoutHead

build = maker(MCDropoutHead)


@pytest.mark.parametrize('check', EVERY_HEAD)
def test_as_every_head(check):
    check(build)


def test_training_drops_features():
    head = build(drop_rate=0.3).train()
    torch.manual_seed(5)
    loss = head.losses(X, LABELS)['loss_ce']
    torch.manual_seed(5)
    mask = (F.dropout(torch.ones_like(X), 0.3) > 0).double().numpy()
    assert 0.6 < mask.mean() < 0.8
    logits = (double(X) * mask / 0.7) @ double(head.fc.weight).T + double(head.fc.bias)
    assert loss.item() == pytest.approx(-np.log(softmax(logits))[np.arange(60), LABELS].mean(), abs=1e-5)
    assert torch.allclose(head.eval().losses(X, LABELS)['loss_ce'], F.cross_entropy(head.fc(X), LABELS))


def test_prediction_is_the_mean_over_the_masks():
    head = build(test_samples=10, drop_rate=0.4)
    masks = double(head.test_masks)
    assert set(np.unique(masks.round(6))) == {0, np.round(1 / 0.6, 6)}
    logits = np.stack([(double(X) * mask) @ double(head.fc.weight).T + double(head.fc.bias) for mask in masks])
    probs = softmax(logits)
    out = predict(head, X)
    np.testing.assert_allclose(double(out['pred_score']), probs.mean(0), atol=1e-6)
    np.testing.assert_allclose(double(out['aleatoric']), -(probs * np.log(probs)).sum(-1).mean(0), atol=1e-5)
    np.testing.assert_allclose(double(out['pred_mean']), logits.mean(0), atol=1e-5)
    np.testing.assert_allclose(double(out['pred_std']), logits.std(0), atol=1e-5)


def test_masks_are_the_same_in_every_run():
    torch.manual_seed(1)
    first = MCDropoutHead(3, 8).test_masks
    torch.manual_seed(2)
    assert torch.equal(first, MCDropoutHead(3, 8).test_masks)
    masks = MCDropoutHead(3, 400, drop_rate=0.2, test_samples=100).test_masks
    assert torch.allclose(masks.mean(0), torch.ones(400)), 'each channel is kept as often'


def test_no_class_is_favoured():
    """The mean of the sampled logits is that without dropout, whatever the masks."""
    head = build()
    np.testing.assert_allclose(double(predict(head, X)['pred_mean']), double(head(X).detach()), atol=1e-4)


def test_logits_are_those_of_the_linear_head():
    assert torch.equal(build()(X), maker(LinearHead)()(X))


def test_far_from_the_data_the_weights_are_what_is_unsure():
    head = build()
    train(head)
    assert predict(head, FAR)['epistemic'].mean() > 2 * predict(head, X)['epistemic'].mean()


@pytest.mark.parametrize('wrong', [dict(drop_rate=0.0), dict(drop_rate=1.0), dict(test_samples=0)])
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        build(**wrong)
