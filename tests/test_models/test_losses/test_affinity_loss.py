import numpy as np
import pytest
import torch

from mmfer.models.losses import AffinityLoss


def by_hand(x, target, centers):
    """In NumPy; ``target`` (B, K)."""
    spread = sum(np.var(centers[:, c], ddof=1) for c in range(centers.shape[1]))
    total = 0.0
    for features, shares in zip(x, target):
        total += sum(share * ((features - center) ** 2).sum() for share, center in zip(shares, centers))
    return total / len(x) / spread


@pytest.mark.parametrize('soft', [False, True])
def test_the_formula(soft):
    loss, x = AffinityLoss(3, 5, loss_weight=2.0), torch.randn(6, 5)
    labels = torch.tensor([0, 2, 1, 1, 0, 2])
    target = torch.rand(6, 3) / 3 if soft else labels
    shares = target.numpy() if soft else np.eye(3)[labels.numpy()]
    expected = 2 * by_hand(x.double().numpy(), shares, loss.centers.detach().double().numpy())
    assert loss(x, target).item() == pytest.approx(expected, rel=1e-5)


def test_centres_find_their_classes():
    labels = torch.arange(3).repeat(30)
    means = torch.randn(3, 4) * 5
    x = means[labels] + torch.randn(90, 4) * 0.1
    loss = AffinityLoss(3, 4)
    begin = loss(x, labels).item()
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        loss(x, labels).backward()
        optimizer.step()
    nearest = torch.cdist(x, loss.centers.detach()).argmin(1)
    assert (nearest == labels).all()
    assert loss(x, labels) < begin / 10


def test_no_division_by_zero_and_gradients_of_zeros():
    loss = AffinityLoss(3, 4)
    with torch.no_grad():
        loss.centers.zero_()
    value = loss(torch.zeros(2, 4), torch.tensor([0, 1]))
    value.backward()
    assert value == 0
    assert loss.centers.grad.isfinite().all()


def test_half_precision_is_computed_in_single():
    loss, x = AffinityLoss(3, 4), torch.randn(2, 4)
    out = loss((x * 300).half(), torch.tensor([0, 1]))
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, loss((x * 300).half().float(), torch.tensor([0, 1])))


def test_wrong_weight():
    with pytest.raises(ValueError, match='loss_weight=-1'):
        AffinityLoss(3, 4, loss_weight=-1)
