import numpy as np
import pytest
import torch
from head_checks import EVERY_HEAD, FAR, LABELS, SOFT, X, double, maker, predict, softmax, train
from torch.nn import functional as F

from mmfer.models.heads.ensemble_head import EnsembleHead

build = maker(EnsembleHead)


@pytest.mark.parametrize('check', EVERY_HEAD)
def test_as_every_head(check):
    check(build)


@pytest.mark.parametrize('check', EVERY_HEAD)
def test_masked_as_every_head(check):
    check(maker(EnsembleHead, feature_fraction=0.5))


def member_logits(head):
    """Logits (M, B, K) of the members, one linear head after the other, in NumPy."""
    weights = double(head.fc.weight).reshape(head.num_members, 3, 8)
    biases = double(head.fc.bias).reshape(head.num_members, 3)
    masks = np.ones((head.num_members, 8)) if head.masks is None else double(head.masks)
    return np.stack([(double(X) * m) @ w.T + b for m, w, b in zip(masks, weights, biases)])


@pytest.mark.parametrize('fraction', [1.0, 0.5])
def test_loss_is_the_mean_of_the_members(fraction):
    head = build(num_members=4, feature_fraction=fraction)
    logits = torch.from_numpy(member_logits(head))
    for target in (LABELS, SOFT.double()):
        expected = torch.stack([F.cross_entropy(z, target) for z in logits]).mean()
        assert head.losses(X, target.float() if target.ndim == 2 else target)['loss_ce'].item() == pytest.approx(
            expected.item(), abs=1e-5
        )


def test_prediction_is_the_mean_of_the_members():
    head = build(num_members=4, feature_fraction=0.5)
    probs = softmax(member_logits(head))
    out = predict(head, X)
    np.testing.assert_allclose(double(out['pred_score']), probs.mean(0), atol=1e-6)
    np.testing.assert_allclose(double(head(X).softmax(-1)), probs.mean(0), atol=1e-6)
    np.testing.assert_allclose(double(out['aleatoric']), -(probs * np.log(probs)).sum(-1).mean(0), atol=1e-5)
    np.testing.assert_allclose(double(out['pred_std']), member_logits(head).std(0), atol=1e-5)


def test_members_start_apart():
    weights = build(num_members=3).fc.weight.view(3, 3, 8)
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2])


def test_members_see_their_share_of_the_channels():
    head = EnsembleHead(3, 40, num_members=3, feature_fraction=0.25)
    assert head.masks.sum(1).tolist() == [10, 10, 10]
    assert not torch.equal(head.masks[0], head.masks[1])
    assert 'masks' in head.state_dict()
    assert build().masks is None


def test_masked_members_disagree_where_they_know_nothing():
    head = build(feature_fraction=0.5)
    train(head)
    assert predict(head, FAR)['epistemic'].mean() > 2 * predict(head, X)['epistemic'].mean()


@pytest.mark.parametrize('wrong', [dict(num_members=1), dict(feature_fraction=0.0), dict(feature_fraction=1.1)])
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        build(**wrong)
