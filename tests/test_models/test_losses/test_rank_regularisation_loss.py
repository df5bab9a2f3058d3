import pytest
import torch

from mmfer.models.losses.rank_regularisation_loss import RankRegularisationLoss
from mmfer.registry import MODELS


def statement(weights, margin, ratio):
    ranked = sorted(weights.tolist(), reverse=True)
    high = int(len(ranked) * ratio)
    top, rest = ranked[:high], ranked[high:]
    return max(0.0, margin - (sum(top) / len(top) - sum(rest) / len(rest)))


@pytest.mark.parametrize('size', [2, 3, 8, 64])
@pytest.mark.parametrize('options', [dict(), dict(margin=0.6, ratio=0.5), dict(margin=1.0, ratio=0.3)])
def test_equals_the_definition(size, options):
    loss = RankRegularisationLoss(**options)
    weights = torch.rand(size, generator=torch.Generator().manual_seed(size))
    if int(size * loss.ratio) == 0:
        assert loss(weights) == 0
    else:
        assert float(loss(weights)) == pytest.approx(statement(weights, loss.margin, loss.ratio), abs=1e-6)


def test_pushes_the_groups_apart_until_the_margin_is_reached():
    weights = torch.tensor([0.5, 0.52, 0.54, 0.4], requires_grad=True)
    RankRegularisationLoss(loss_weight=2)(weights).backward()
    assert (weights.grad < 0).tolist() == [False, True, True, False]  # int(4 * 0.7) = 2 of them are important
    assert weights.grad.sum() == pytest.approx(0)
    assert RankRegularisationLoss()(torch.tensor([0.9, 0.9, 0.9, 0.1])) == 0


def test_one_image_has_nothing_to_be_compared_with():
    weights = torch.tensor([0.5], requires_grad=True)
    loss = RankRegularisationLoss()(weights)
    loss.backward()
    assert loss == 0
    assert weights.grad == 0


def test_low_precision():
    weights = torch.rand(8, generator=torch.Generator().manual_seed(0))
    low = RankRegularisationLoss(margin=0.9)(weights.bfloat16())
    assert low.dtype == torch.float32
    assert float(low) == pytest.approx(float(RankRegularisationLoss(margin=0.9)(weights)), abs=5e-3)


@pytest.mark.parametrize(
    'wrong', [dict(margin=-0.1), dict(margin=2), dict(ratio=0), dict(ratio=1), dict(loss_weight=-1)]
)
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MODELS.build(dict(type='RankRegularisationLoss', **wrong))
