import numpy as np
import pytest
import torch
from head_checks import double, softmax
from torchvision.ops import sigmoid_focal_loss

from mmfer.models import LinearHead, SoftCrossEntropyLoss
from mmfer.models.losses.focal_loss import FocalLoss

LOGITS = 2 * torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 3, 1, 0])
SOFT = torch.tensor([[0.5, 0.2, 0.1, 0.0], [0.0, 0.0, 0.3, 0.7], [0.25] * 4]).repeat(2, 1)


@pytest.mark.parametrize('gamma', [0.0, 0.5, 2.0])
@pytest.mark.parametrize('alpha', [None, (1.0, 0.5, 2.0, 0.0)])
def test_equation(gamma, alpha):
    p = softmax(double(LOGITS))
    weights = np.ones(4) if alpha is None else np.array(alpha)
    loss = FocalLoss(gamma=gamma, alpha=alpha, loss_weight=3.0)
    for target, t in ((LABELS, np.eye(4)[LABELS]), (SOFT, double(SOFT))):
        expected = -3 * (weights * t * (1 - p) ** gamma * np.log(p)).sum(1).mean()
        assert loss(LOGITS, target).item() == pytest.approx(expected, rel=1e-5)


def test_two_classes_are_the_papers_sigmoid():
    """Against torchvision: softmax of (0, z) is a sigmoid."""
    z = LOGITS[:, 0]
    target = torch.tensor([0, 1, 1, 0, 1, 0])
    expected = sigmoid_focal_loss(z, target.float(), alpha=0.25, gamma=2.0, reduction='mean')
    logits = torch.stack([torch.zeros_like(z), z], 1)
    assert FocalLoss(gamma=2.0, alpha=(0.75, 0.25))(logits, target).item() == pytest.approx(expected.item(), rel=1e-5)


def test_without_focus_it_is_the_cross_entropy():
    for target in (LABELS, SOFT):
        assert torch.allclose(FocalLoss(gamma=0.0)(LOGITS, target), SoftCrossEntropyLoss()(LOGITS, target))


@pytest.mark.parametrize('gamma', [0.0, 0.5, 1.0, 2.0])
def test_extreme_logits(gamma):
    logits = torch.tensor([[1e4, -1e4, 0.0, 0.0], [-1e4, 1e4, 0.0, 0.0]], requires_grad=True)
    loss = FocalLoss(gamma=gamma)(logits, torch.tensor([0, 0]))
    loss.backward()
    assert loss.item() == pytest.approx(1e4)
    assert logits.grad.isfinite().all()


def test_gradient():
    logits = LOGITS.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: FocalLoss(gamma=1.5)(z, SOFT), logits)


def test_half_precision():
    for dtype in (torch.bfloat16, torch.float16):
        loss = FocalLoss()(LOGITS.to(dtype), LABELS)
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(FocalLoss()(LOGITS, LABELS).item(), rel=0.02)


def test_as_the_loss_of_a_head():
    head = LinearHead(num_classes=4, in_channels=4, loss=dict(type='FocalLoss', alpha=(1.0, 1.0, 2.0, 1.0)))
    head.losses(LOGITS, LABELS)['loss_ce'].backward()
    assert head.fc.weight.grad.abs().sum() > 0
    assert not head.state_dict().keys() - {'fc.weight', 'fc.bias'}


@pytest.mark.parametrize('wrong', [dict(gamma=-1.0), dict(alpha=(1.0, -1.0))])
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FocalLoss(**wrong)
