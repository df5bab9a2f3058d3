import pytest
import torch
from torch import nn

from mmfer.models.layers import BatchNorm1d, BatchNorm2d


def trained():
    torch.manual_seed(0)
    norm = BatchNorm1d(4)
    for _ in range(3):
        norm(torch.randn(8, 4) * 3 + 1)
    return norm


def test_one_image_is_normalised_by_running_statistics_and_leaves_them_alone():
    norm, x = trained(), torch.randn(1, 4)
    with pytest.raises(ValueError, match='more than 1 value'):
        nn.BatchNorm1d(4)(x)
    before = {name: tensor.clone() for name, tensor in norm.state_dict().items()}
    out = norm(x)
    assert all(torch.equal(tensor, before[name]) for name, tensor in norm.state_dict().items())
    assert torch.equal(out, norm.eval()(x))
    out.sum().backward()
    assert norm.weight.grad is not None


@pytest.mark.parametrize('training', [True, False])
def test_otherwise_it_is_pytorchs(training):
    norm, x = trained(), torch.randn(5, 4)
    plain = nn.BatchNorm1d(4)
    plain.load_state_dict(norm.state_dict())
    assert torch.equal(norm.train(training)(x), plain.train(training)(x))
    assert all(torch.equal(a, b) for a, b in zip(norm.state_dict().values(), plain.state_dict().values()))


def test_maps_of_one_place():
    norm, x = BatchNorm2d(4), torch.randn(1, 4, 1, 1)
    norm(torch.randn(8, 4, 2, 2) * 3 + 1)
    assert torch.equal(norm.train()(x), norm.eval()(x))
    x = torch.randn(1, 4, 3, 3)
    assert not torch.equal(norm.train()(x), norm.eval()(x))
