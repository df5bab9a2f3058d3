import math

import numpy as np
import pytest
import torch

from mmfer.models.losses import PartitionLoss


def test_the_formula():
    heads = torch.randn(5, 4, 6)
    variance = np.var(heads.double().numpy(), axis=1, ddof=1).mean()
    loss = PartitionLoss(loss_weight=0.5)(heads)
    assert loss.item() == pytest.approx(0.5 * math.log(1 + 4 / variance), rel=1e-6)


def test_heads_that_differ_more_cost_less():
    heads = torch.randn(5, 4, 6)
    loss = PartitionLoss()
    assert loss(heads * 3) < loss(heads)


def test_one_head_and_equal_heads():
    one = torch.randn(5, 1, 6, requires_grad=True)
    loss = PartitionLoss()(one)
    loss.backward()
    assert loss == 0
    assert not one.grad.any()
    equal = torch.ones(2, 3, 4, requires_grad=True)
    loss = PartitionLoss()(equal)
    loss.backward()
    assert loss.isfinite()
    assert equal.grad.isfinite().all()


def test_wrong_weight():
    with pytest.raises(ValueError, match='loss_weight=-1'):
        PartitionLoss(loss_weight=-1)
