import pytest
import torch

from mmfer.models import SoftCrossEntropyLoss

LOGITS = torch.tensor([[1.0, 0.0, -1.0], [0.5, 2.0, 0.0]])


def test_hard_labels():
    log_probs = LOGITS.log_softmax(-1)
    expected = -(log_probs[0, 2] + log_probs[1, 1]) / 2
    assert torch.allclose(SoftCrossEntropyLoss()(LOGITS, torch.tensor([2, 1])), expected)


def test_soft_labels_that_sum_to_less_than_one():
    target = torch.tensor([[0.2, 0.3, 0.1], [0.0, 0.5, 0.0]])
    expected = -(target * LOGITS.log_softmax(-1)).sum() / 2
    assert torch.allclose(SoftCrossEntropyLoss()(LOGITS, target), expected)


def test_class_weights_and_smoothing():
    loss = SoftCrossEntropyLoss(class_weight=(1.0, 2.0, 3.0), label_smoothing=0.1, loss_weight=2.0)
    expected = 2 * torch.nn.functional.cross_entropy(
        LOGITS, torch.tensor([0, 1]), weight=torch.tensor([1.0, 2.0, 3.0]), label_smoothing=0.1
    )
    assert torch.allclose(loss(LOGITS, torch.tensor([0, 1])), expected)


def test_smoothing_is_the_papers():
    smooth = 0.8 * torch.eye(3)[[2, 1]] + 0.2 / 3
    expected = -(smooth * LOGITS.log_softmax(-1)).sum() / 2
    loss = SoftCrossEntropyLoss(label_smoothing=0.2)
    assert torch.allclose(loss(LOGITS, torch.tensor([2, 1])), expected)
    assert torch.allclose(loss(LOGITS, torch.eye(3)[[2, 1]]), expected)


def test_wrong_smoothing():
    with pytest.raises(ValueError, match='label_smoothing'):
        SoftCrossEntropyLoss(label_smoothing=1.5)
