import numpy as np
import pytest
import torch
from head_checks import double, softmax
from scipy.special import rel_entr
from torch.nn import functional as F

from mmfer.models.losses.label_distribution_loss import LabelDistributionLoss

LOGITS = 2 * torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 3, 1, 0])
SOFT = torch.tensor([[0.5, 0.4, 0.1, 0.0], [0.0, 0.0, 0.3, 0.7], [0.25] * 4]).repeat(2, 1)


def test_soft_labels():
    expected = rel_entr(double(SOFT), softmax(double(LOGITS))).sum(1).mean()
    assert LabelDistributionLoss(loss_weight=2.0)(LOGITS, SOFT).item() == pytest.approx(2 * expected, abs=1e-5)


def test_missing_votes_weigh_the_image():
    loss = LabelDistributionLoss()
    assert torch.allclose(loss(LOGITS[:1], 0.8 * SOFT[:1]), 0.8 * loss(LOGITS[:1], SOFT[:1]))
    assert loss(LOGITS, 0 * SOFT) == 0


def test_labels_are_smoothed():
    smooth = 0.9 * np.eye(4)[LABELS] + 0.025
    expected = rel_entr(smooth, softmax(double(LOGITS))).sum(1).mean()
    assert LabelDistributionLoss()(LOGITS, LABELS).item() == pytest.approx(expected, abs=1e-5)
    exact = LabelDistributionLoss(label_smoothing=0.0)(LOGITS, LABELS)
    assert torch.allclose(exact, F.cross_entropy(LOGITS, LABELS)), 'a one-hot label has no entropy'


def test_zero_where_the_prediction_is_the_label():
    assert LabelDistributionLoss()(SOFT.clamp(min=1e-30).log(), SOFT).item() == pytest.approx(0, abs=1e-6)


def test_gradient_is_that_of_the_cross_entropy():
    one, other = (LOGITS.clone().requires_grad_() for _ in range(2))
    LabelDistributionLoss()(one, SOFT).backward()
    F.cross_entropy(other, SOFT).backward()
    assert torch.allclose(one.grad, other.grad, atol=1e-7)


def test_extreme_logits_and_half_precision():
    logits = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0]], requires_grad=True)
    loss = LabelDistributionLoss()(logits, torch.tensor([0, 0]))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()
    assert LabelDistributionLoss()(LOGITS.half(), LABELS).dtype == torch.float32


def test_wrong_smoothing():
    with pytest.raises(ValueError, match='label_smoothing'):
        LabelDistributionLoss(label_smoothing=1.0)
