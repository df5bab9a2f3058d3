import torch

from mmfer.models.losses.functional import at_least_single, distribution, shares

LIKE = torch.zeros(2, 3)


def test_at_least_single():
    for dtype, expected in ((torch.float16, torch.float32), (torch.bfloat16, torch.float32)):
        assert at_least_single(LIKE.to(dtype)).dtype == expected
    for dtype in (torch.float32, torch.float64):
        x = LIKE.to(dtype)
        assert at_least_single(x) is x


def test_shares():
    assert shares(torch.tensor([2, 0]), LIKE).tolist() == [[0, 0, 1], [1, 0, 0]]
    soft = torch.tensor([[0.5, 0.3, 0.1], [0.0, 0.0, 0.0]])
    assert torch.equal(shares(soft, LIKE), soft)
    assert shares(soft, LIKE.double()).dtype == torch.float64


def test_distribution():
    target, weight = distribution(torch.tensor([[0.4, 0.4, 0.0], [0.0, 0.0, 0.0]]), LIKE)
    assert torch.allclose(target, torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]))
    assert torch.allclose(weight, torch.tensor([0.8, 0.0]))
    target, weight = distribution(torch.tensor([2, 0]), LIKE)
    assert target.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert weight.tolist() == [1, 1]
